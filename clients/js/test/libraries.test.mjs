// Libraries that take a WebSocket class: graphql-ws, y-websocket, mqtt.js and stompjs, each over each transport. The network
// fails once: the session is resumed, and the library does not notice. The server forgets its sessions once: with
// `closeOnReset` the library sees a close, and makes another socket.
import { Duplex } from "node:stream";
import { test } from "node:test";
import { Client as StompClient } from "@stomp/stompjs";
import { Aedes } from "aedes";
import { GraphQLObjectType, GraphQLSchema, GraphQLString } from "graphql";
import { createClient, makeServer } from "graphql-ws";
import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";
import { WebsocketProvider } from "y-websocket";
import * as sync from "y-protocols/sync";
import * as Y from "yjs";
import { Socket, TRANSPORTS, assert, until, withServer } from "./support.mjs";

// The build for browsers, which uses the class as it is. The one for Node needs the insides of npm's ws.
globalThis.window = { document: {} };
globalThis.navigator ??= { userAgent: "Node" };
const { default: mqtt } = await import("mqtt/dist/mqtt.esm");
delete globalThis.window;

/** Returns the class for a library, and counts its sockets and events. */
function counted(transport) {
  const seen = { sockets: 0, resumed: 0, reset: 0 };
  class Counted extends Socket.with({ transports: [transport], closeOnReset: true }) {
    constructor(url, protocols) {
      super(url, protocols);
      seen.sockets++;
      for (const type of ["resumed", "reset"]) this.addEventListener(type, () => seen[type]++);
    }
  }
  return [Counted, seen];
}

/** Cuts the network once, then also forgets the sessions; runs `check` before, between and after. */
async function throughFailures(server, seen, check) {
  await check("first");
  server.cut();
  await until(() => seen.resumed > 0, "resumed");
  await check("resumed");
  assert.deepEqual(seen, { sockets: 1, resumed: seen.resumed, reset: 0 });
  for (const session of server.sessions.values()) session.ended(1006, "");
  server.cut();
  await until(() => seen.sockets > 1, "another socket");
  await check("anew");
  assert.equal(seen.reset, 1);
}

for (const transport of TRANSPORTS) {
  test(`graphql-ws over ${transport}`, withServer({ subprotocol: "graphql-transport-ws" }, async (server) => {
    const listeners = new Set();
    const schema = new GraphQLSchema({
      query: new GraphQLObjectType({ name: "Query", fields: { hello: { type: GraphQLString, resolve: () => "world" } } }),
      subscription: new GraphQLObjectType({
        name: "Subscription",
        fields: {
          news: {
            type: GraphQLString,
            async *subscribe() {
              for (;;) yield { news: await new Promise((done) => listeners.add(done)) };
            },
          },
        },
      }),
    });
    const graphql = makeServer({ schema });
    server.onsession = (session) => {
      const closed = graphql.opened({
        protocol: "graphql-transport-ws",
        send: (text) => session.send(text),
        close: (code, reason) => session.close(code, reason),
        onMessage: (callback) => (session.onmessage = callback),
      }, {});
      session.onclose = closed;
    };
    const [webSocketImpl, seen] = counted(transport);
    const client = createClient({ url: server.url, webSocketImpl, retryWait: async () => {}, lazy: false });
    const news = [];
    client.subscribe({ query: "subscription { news }" }, {
      next: ({ data }) => news.push(data.news),
      error: (error) => news.push(error),
      complete() {},
    });
    await throughFailures(server, seen, async (step) => {
      const answer = await new Promise((next, error) =>
        client.subscribe({ query: "{ hello }" }, { next, error, complete() {} }));
      assert.deepEqual({ ...answer.data }, { hello: "world" });
      await until(() => listeners.size > 0, "the subscription");
      for (const listener of listeners) listener(step);
      listeners.clear();
      await until(() => news.at(-1) === step);
    });
    assert.deepEqual(news, ["first", "resumed", "anew"]);
    await client.dispose();
  }));

  test(`y-websocket over ${transport}`, withServer({}, async (server) => {
    const shared = new Y.Doc();
    server.onsession = (session) => {
      const send = (write) => {
        const encoder = encoding.createEncoder();
        encoding.writeVarUint(encoder, 0);
        write(encoder);
        if (encoding.length(encoder) > 1) session.send(Buffer.from(encoding.toUint8Array(encoder)));
      };
      const update = (bytes, origin) => origin !== session && send((encoder) => sync.writeUpdate(encoder, bytes));
      session.onopen = () => {
        shared.on("update", update);
        send((encoder) => sync.writeSyncStep1(encoder, shared));
      };
      session.onmessage = (data) => {
        const decoder = decoding.createDecoder(new Uint8Array(data));
        if (decoding.readVarUint(decoder) === 0) send((encoder) => sync.readSyncMessage(decoder, encoder, shared, session));
      };
      session.onclose = () => shared.off("update", update);
    };
    const [WebSocketPolyfill, seen] = counted(transport);
    const doc = new Y.Doc();
    const url = `ws://127.0.0.1:${server.port}`;
    const options = { WebSocketPolyfill, disableBc: true, maxBackoffTime: 50 };
    const provider = new WebsocketProvider(url, "room", doc, options);
    const [ours, theirs] = [doc, shared].map((one) => one.getArray("list"));
    let length = 0;
    await throughFailures(server, seen, async (step) => {
      ours.push([`${step}, client`]);
      theirs.push([`${step}, server`]);
      length += 2;
      await until(() => ours.length === length && theirs.length === length);
      assert.deepEqual(ours.toJSON(), theirs.toJSON());
    });
    provider.destroy();
    doc.destroy();
    shared.destroy();
  }));

  test(`mqtt.js over ${transport}`, withServer({ subprotocol: "mqtt" }, async (server) => {
    // The broker waits so long for the client of a session that was given up.
    const broker = await Aedes.createBroker({ connectTimeout: 500 });
    let subscribes = 0;
    broker.on("subscribe", () => subscribes++);
    server.onsession = (session) => {
      const stream = new Duplex({ read() {}, write: (chunk, _, done) => (session.send(chunk), done()) });
      stream.on("error", () => {});
      session.onmessage = (data) => stream.push(data);
      session.onclose = () => stream.destroy();
      broker.handle(stream);
    };
    const [Class, seen] = counted(transport);
    const client = mqtt.connect(server.url, {
      createWebsocket: (url, protocols) => new Class(url, protocols),
      reconnectPeriod: 20,
      timerVariant: "native",
    });
    const received = [];
    client.on("message", (topic, payload) => received.push(`${topic} ${payload}`));
    await client.subscribeAsync("news", { qos: 1 });
    await throughFailures(server, seen, async (step) => {
      await until(() => subscribes === (step === "anew" ? 2 : 1), "the subscription");
      await client.publishAsync("news", step, { qos: 1 });
      await until(() => received.at(-1) === `news ${step}`);
    });
    assert.deepEqual(received, ["news first", "news resumed", "news anew"]);
    await client.endAsync(true);
    await broker.close();
  }));

  test(`stompjs over ${transport}`, withServer({ subprotocol: "v12.stomp" }, async (server) => {
    server.onsession = (session) => {
      let subscription;
      session.onmessage = (frame) => {
        const [head, body] = frame.slice(0, -1).split("\n\n");
        const [command, ...lines] = head.split("\n");
        const headers = Object.fromEntries(lines.map((line) => line.split(":")));
        if (command === "CONNECT") session.send("CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0");
        if (command === "SUBSCRIBE") subscription = headers.id;
        if (command === "SEND") session.send(`MESSAGE\nsubscription:${subscription}\nmessage-id:1\ndestination:${headers.destination}\n\n${body}\0`);
        if (headers.receipt) session.send(`RECEIPT\nreceipt-id:${headers.receipt}\n\n\0`);
      };
    };
    const [Class, seen] = counted(transport);
    const client = new StompClient({
      webSocketFactory: () => new Class(server.url, ["v12.stomp"]),
      reconnectDelay: 20,
      heartbeatIncoming: 0,
      heartbeatOutgoing: 0,
    });
    const received = [];
    let connects = 0;
    client.onConnect = () => {
      connects++;
      client.subscribe("/news", ({ body }) => received.push(body));
    };
    client.activate();
    await throughFailures(server, seen, async (step) => {
      await until(() => client.connected && connects === (step === "anew" ? 2 : 1));
      client.publish({ destination: "/news", body: step });
      await until(() => received.at(-1) === step);
    });
    assert.deepEqual(received, ["first", "resumed", "anew"]);
    await client.deactivate();
  }));
}
