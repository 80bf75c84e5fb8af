// Transports against a server: messages, cuts, closes, the order in which they are tried, refusals.
import { test } from "node:test";
import { Session } from "../src/session.js";
import { openHttp } from "../src/transports.js";
import { Socket, TRANSPORTS, assert, collect, echo, once, sleep, until, withServer } from "./support.mjs";

const only = (transport, options) => ({ transports: [transport], ...options });

for (const transport of TRANSPORTS) {
  test(`${transport}: messages in both directions, and a cut`, withServer({ onsession: echo }, async (server) => {
    const socket = new Socket(server.url, [], only(transport));
    socket.binaryType = "arraybuffer";
    const events = [];
    for (const type of ["open", "reconnecting", "resumed", "reset", "error", "close"]) {
      socket.addEventListener(type, () => events.push(type));
    }
    const messages = collect(socket);
    const texts = ["early", "", "κόσμε 🎈", "a\nb\n", "\n", "a\r\nb\r", "\0nul", "x".repeat(200_000), "\u2028", " leading", "data: x", "\ufeffbom"];
    socket.send(texts[0]);
    await once(socket, "open");
    assert.equal(socket.transport, transport);
    for (const text of texts.slice(1)) socket.send(text);
    const bytes = new Uint8Array(100_000).map((_, index) => (index * 31) ^ (index >> 8));
    for (const data of [bytes, new Uint8Array(0), new Blob(["blob"])]) socket.send(data);
    socket.send("last");
    await until(() => messages.length === texts.length + 4, () => `echoes: ${messages.length}`);
    assert.deepEqual(messages.slice(0, texts.length), texts);
    assert.deepEqual(messages.slice(texts.length), [bytes.buffer, new ArrayBuffer(0), new TextEncoder().encode("blob").buffer, "last"]);

    server.cut();
    const numbers = Array.from({ length: 300 }, (_, number) => `${number}`);
    for (const number of numbers) socket.send(number);
    await until(() => messages.length === texts.length + 304);
    assert.deepEqual(messages.slice(-300), numbers);

    socket.close(4001, "enough");
    assert.equal(socket.readyState, Socket.CLOSING);
    const { code, reason, wasClean } = await once(socket, "close");
    assert.deepEqual([code, reason, wasClean], [4001, "enough", true]);
    assert.deepEqual(events, ["open", "reconnecting", "resumed", "close"]);
    assert.equal(server.sessions.size, 0);
  }));

  test(`${transport}: the server's close, the client's close with messages before it`, withServer({}, async (server) => {
    const ends = [];
    server.onsession = (session) => {
      session.onopen = () => session.send("welcome");
      session.onmessage = (data) => (ends.push(data), data === "stop" && session.close(4002, "as you wish"));
      session.onclose = (code, reason) => ends.push([code, reason]);
    };
    const first = new Socket(server.url, [], only(transport));
    assert.equal((await once(first, "message")).data, "welcome");
    first.send("stop");
    const { code, reason, wasClean } = await once(first, "close");
    assert.deepEqual([code, reason, wasClean], [4002, "as you wish", true]);
    const second = new Socket(server.url, [], only(transport));
    await once(second, "open");
    for (const text of ["1", "2", "3"]) second.send(text);
    second.close(1000, "bye");
    await once(second, "close");
    await until(() => ends.length === 5);
    assert.deepEqual(ends, ["stop", "1", "2", "3", [1000, "bye"]]);
  }));

  test(`${transport}: a server that has forgotten the session`, withServer({ onsession: echo }, async (server) => {
    const socket = new Socket(server.url, [], only(transport));
    const messages = collect(socket);
    socket.send("1");
    await until(() => messages.length === 1);
    const { token } = [...server.sessions.values()][0];
    server.sessions.clear();
    server.cut();
    socket.send("2");
    const { unacknowledged } = await once(socket, "reset");
    assert.equal(unacknowledged.at(-1), "2");
    assert.notEqual([...server.sessions.keys()][0], token);
    socket.send("3");
    await until(() => messages.length === 2);
    assert.deepEqual(messages, ["1", "3"]);
    socket.close();
    await once(socket, "close");
  }));

  test(`${transport}: the subprotocol of the handler`, withServer({ subprotocol: "chat.v2" }, async (server) => {
    let offered;
    server.onhandshake = (_, list) => (offered = list.slice(0, 2));
    server.onrequest = ({ headers }) => (offered = headers["ws-core-protocols"]?.split(", ") ?? offered);
    const socket = new Socket(server.url, ["chat.v2", "chat.v1"], only(transport));
    await once(socket, "open");
    assert.equal(socket.protocol, "chat.v2");
    assert.deepEqual(offered, ["chat.v2", "chat.v1"]);
    socket.close();
    await once(socket, "close");
  }));
}

test("acknowledgements free the server's buffer on every transport", withServer({}, async (server) => {
  for (const transport of TRANSPORTS) {
    let session;
    server.onsession = (made) => (session = made);
    const socket = new Socket(server.url, [], only(transport));
    const messages = collect(socket);
    await once(socket, "open");
    for (let round = 1; round <= 4; round++) {
      for (let n = 0; n < 32; n++) session.send(`${n}`);
      await until(() => messages.length === 32 * round && !session.queue.length, () => `${transport} ${session.queue.length}`);
    }
    socket.close();
    await once(socket, "close");
  }
}));

test("the transports are tried in order, and the one that worked is remembered", async () => {
  const store = {};
  globalThis.sessionStorage = { getItem: (key) => store[key] ?? null, setItem: (key, value) => (store[key] = value) };
  try {
    await withServer({ onsession: echo, refuses: new Set(["websocket", "events"]) }, async (server) => {
      for (let page = 0; page < 2; page++) {
        const socket = new Socket(server.url);
        await once(socket, "open");
        assert.equal(socket.transport, "polling");
        socket.close();
        await once(socket, "close");
      }
      const tried = server.log.filter((one) => one !== "post");
      assert.deepEqual(tried.slice(0, 3), ["websocket", "events", "polling"]);
      assert.ok(tried.slice(3).every((one) => one === "polling"), `${tried}`);
      assert.deepEqual(Object.values(store), ["polling"]);
      assert.ok(Object.keys(store)[0].endsWith("/chat"));
      // What was remembered does not work any more: the others are tried.
      server.refuses = new Set(["polling"]);
      const socket = new Socket(server.url);
      await once(socket, "open");
      assert.equal(socket.transport, "websocket");
      assert.deepEqual(Object.values(store), ["websocket"]);
      socket.close();
      await once(socket, "close");
    })();
  } finally {
    delete globalThis.sessionStorage;
  }
});

test("order and set of the transports are options", withServer({ refuses: new Set(["polling"]) }, async (server) => {
  const socket = new Socket(server.url, [], { transports: ["polling", "events"] });
  await once(socket, "open");
  assert.deepEqual([socket.transport, server.log], ["events", ["polling", "events"]]);
  socket.close();
  await once(socket, "close");
}));

test("transports that open but pass nothing have failed after the deadline", withServer(
  { swallows: new Set(["websocket", "events"]), onsession: echo }, async (server) => {
    const socket = new Socket(server.url, [], { connectTimeout: 200 });
    const messages = collect(socket);
    socket.send("through");
    await until(() => messages.length === 1);
    assert.equal(socket.transport, "polling");
    socket.close();
    await once(socket, "close");
  }));

test("the page of a captive portal is no transport", withServer({}, async (server) => {
  const portal = async (url, init) => {
    const { body } = await fetch(url, init);
    await body.cancel();
    return new Response("<p>Welcome to our hotel", { headers: { "content-type": "text/html" } });
  };
  const socket = new Socket(server.url, [], { transports: ["events", "polling"], fetch: portal, maxAttempts: 1 });
  assert.equal((await once(socket, "close")).code, 1006);
}));

test("a transport that worked is tried alone twice, then the others as well", withServer({ onsession: echo }, async (server) => {
  const socket = new Socket(server.url);
  await once(socket, "open");
  server.refuses.add("websocket");
  server.cut();
  const { attempt } = await new Promise((done) => socket.addEventListener("reconnecting", (event) => event.attempt === 3 && done(event)));
  assert.deepEqual([attempt, server.log], [3, ["websocket", "websocket", "websocket"]]);
  await once(socket, "resumed");
  assert.equal(socket.transport, "events");
  const messages = collect(socket);
  socket.send("over events");
  await until(() => messages.length === 1);
  socket.close();
  await once(socket, "close");
}));

for (const [plain, log] of [
  // npm's ws selects the first subprotocol that is offered; its messages are no session object.
  ["echo", ["plain", "events", "polling", "plain"]],
  ["none", ["plain", "events", "polling", "plain"]],
]) {
  test(`a server without sessions that selects ${plain}`, withServer({ plain }, async (server) => {
    server.onplain = (ws) => {
      ws.send("welcome");
      ws.on("message", (data, isBinary) => ws.send(isBinary ? data : `${data}`));
    };
    const socket = new Socket(server.url, [], { connectTimeout: 1000 });
    const messages = collect(socket);
    await once(socket, "open");
    assert.deepEqual([socket.transport, server.log], ["plain", log]);
    socket.send("\0x");
    await until(() => messages.length === 2);
    server.cut();
    await once(socket, "reconnecting");
    socket.send("lost");
    const { unacknowledged } = await once(socket, "reset");
    for (const data of unacknowledged) socket.send(data);
    await until(() => messages.length === 4);
    assert.deepEqual(messages, ["welcome", "\0x", "welcome", "lost"]);
    assert.deepEqual(server.log, [...log, "plain"]);
    socket.close(1000);
    assert.equal((await once(socket, "close")).wasClean, true);
  }));
}

for (const transport of ["events", "polling"]) {
  test(`${transport}: POSTs are halved until they fit; a message that does not fit closes with 1009`, withServer(
    { onsession: echo, maxBody: 1000 }, async (server) => {
      const socket = new Socket(server.url, [], only(transport));
      const messages = collect(socket);
      for (let n = 0; n < 100; n++) socket.send("x".repeat(400));
      await until(() => messages.length === 100);
      socket.send("x".repeat(1000));
      const { code, wasClean } = await once(socket, "close");
      assert.deepEqual([code, wasClean], [1009, false]);
      await until(() => !server.sessions.size, "the server is told");
    }));

  for (const status of [403, 409, 410, 429, 503]) {
    test(`${transport}: a POST that gets ${status} is sent again after a resume`, withServer({ onsession: echo, status }, async (server) => {
      const socket = new Socket(server.url, [], only(transport));
      const messages = collect(socket);
      await once(socket, "open");
      server.refuses.add("post");
      socket.send("1");
      await once(socket, "reconnecting");
      server.refuses.clear();
      await until(() => messages.length === 1);
      socket.close();
      await once(socket, "close");
    }));
  }

  test(`${transport}: a silent connection is lost after the interval`, withServer({ interval: 100, onsession: echo }, async (server) => {
    const socket = new Socket(server.url, [], only(transport, { pongTimeout: 100 }));
    await once(socket, "open");
    // Several intervals without a message.
    let losses = 0;
    socket.onreconnecting = () => losses++;
    await sleep(500);
    assert.equal(losses, 0);
    server.swallows.add(transport);
    for (const session of server.sessions.values()) {
      clearInterval(session.carrier?.timer);
      if (session.carrier) session.carrier.message = () => {};
    }
    await once(socket, "reconnecting");
    server.swallows.clear();
    await once(socket, "resumed");
    socket.close();
    await once(socket, "close");
  }));

  test(`${transport}: a POST that is not answered is sent again, and handled once`, withServer({ interval: 100, onsession: echo }, async (server) => {
    const socket = new Socket(server.url, [], only(transport, { pongTimeout: 100 }));
    const messages = collect(socket);
    await once(socket, "open");
    server.slow = new Promise(() => {});
    socket.send("1");
    await once(socket, "reconnecting");
    server.slow = undefined;
    for (const session of server.sessions.values()) session.isPosting = false;
    socket.send("2");
    await until(() => messages.length >= 2);
    await sleep(50);
    assert.deepEqual(messages, ["1", "2"]);
    socket.close();
    await once(socket, "close");
  }));

  test(`${transport}: requests carry the option credentials and are never cached`, withServer({ onsession: echo }, async (server) => {
    const seen = new Set();
    const spy = (url, init) => (seen.add(`${init.credentials} ${init.cache} ${new URL(url).protocol}`), fetch(url, init));
    const socket = new Socket(server.url, [], only(transport, { fetch: spy, credentials: "include" }));
    const messages = collect(socket);
    socket.send("1");
    await until(() => messages.length === 1);
    socket.close();
    await once(socket, "close");
    assert.deepEqual([...seen], ["include no-store http:"]);
  }));

  test(`${transport}: a page that ends tells the server`, async () => {
    const listeners = {};
    globalThis.addEventListener = (type, listener) => (listeners[type] = listener);
    try {
      await withServer({}, async (server) => {
        let end;
        server.onsession = (session) => (session.onclose = (code) => (end = code));
        const socket = new Socket(server.url, [], only(transport));
        await once(socket, "open");
        listeners.pagehide({ persisted: true });
        await sleep(50);
        assert.equal(end, undefined);
        listeners.pagehide({ persisted: false });
        await until(() => end === 1001);
        socket.close();
        await once(socket, "close");
      })();
    } finally {
      delete globalThis.addEventListener;
    }
  });
}

test("a session moves from transport to transport", withServer({ onsession: echo }, async (server) => {
  const socket = new Socket(server.url);
  const messages = collect(socket);
  const used = new Set();
  await once(socket, "open");
  let number = 0;
  for (const refused of [[], ["websocket"], ["websocket", "events"], ["polling", "events"], ["websocket", "polling"]]) {
    server.refuses = new Set(refused);
    server.cut();
    for (let n = 0; n < 50; n++) socket.send(`${number++}`);
    await until(() => messages.length === number);
    used.add(socket.transport);
  }
  assert.deepEqual(messages, Array.from({ length: number }, (_, n) => `${n}`));
  assert.deepEqual([...used].sort(), ["events", "polling", "websocket"]);
  assert.equal(server.sessions.size, 1);
  socket.close();
  await once(socket, "close");
}));

test("a connection with the same token that another client opens is final", withServer({ onsession: echo }, async (server) => {
  const socket = new Socket(server.url, [], only("websocket"));
  await once(socket, "open");
  const [session] = server.sessions.values();
  session.carrier.replaced();
  assert.equal((await once(socket, "close")).code, 4900);
}));

test("an abandoned connection that waits to send its POST again does not change the session", async () => {
  let polls = 0, posts = 0;
  const fetch = async (_, { method }) => {
    if (method === "POST") return posts++, new Response("no poll", { status: 409 });
    if (polls++) return new Promise(() => {});
    return new Response('event: session\ndata: {"session":{}}\n\n', { headers: { "content-type": "text/plain" } });
  };
  const session = new Session("ws://127.0.0.1/", [], { pongTimeout: 1000, fetch });
  const link = openHttp(session, { alive() {}, control() {}, lost() {} }, true);
  await until(() => polls === 2);
  session.queue.push({ data: "one", size: 3 });
  link.flush();
  await until(() => posts === 1);
  link.drop();
  // Another connection begins.
  session.sent = 0;
  await sleep(200);
  assert.deepEqual([posts, session.sent], [1, 0]);
});
