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
      for (let n = 0; n < 128; n++) session.send(`${n}`);
      await until(() => messages.length === 128 * round && !session.queue.length, () => `${transport} ${session.queue.length}`);
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

  // A poll that is about to arrive ends a 409 over polling, which is another test.
  for (const status of [403, ...(transport === "events" ? [409] : []), 410, 429, 503]) {
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

test("another client with the same token that takes the session over again is final", withServer({ onsession: echo }, async (server) => {
  const socket = new Socket(server.url, [], only("websocket"));
  await once(socket, "open");
  const [session] = server.sessions.values();
  const takeOver = () => {
    const { carrier } = session;
    session.carrier = null;
    carrier.replaced();
  };
  takeOver();
  await once(socket, "resumed");
  takeOver();
  assert.equal((await once(socket, "close")).code, 4900);
}));

// Connections by themselves: what they may do to a session, and when.

const text = (body) => new Response(body, { headers: { "content-type": "text/plain" } });
const object = (members) => text(`event: session\ndata: ${JSON.stringify({ session: members })}\n\n`);
const never = () => new Promise(() => {});
const silent = { alive() {}, control() {}, message() {}, sent() {}, acknowledged() {}, lost() {} };
const unused = () => ({ sent: 0, acked: 0, isAckDue: false });

/** A session with one message, whose requests a function answers, which does not notice that they are aborted. */
function withMessage(answer) {
  const log = [];
  const fetch = async (_, { method = "GET", body }) => {
    log.push(method);
    return answer(method, body, log.filter((one) => one === method).length);
  };
  const session = Object.assign(new Session("ws://127.0.0.1/", [], { pongTimeout: 400, fetch }), { interval: 100 });
  session.queue.push({ data: "one", size: 3 });
  return [session, log];
}

test("an abandoned connection that waits to send its POST again does not send it", async () => {
  const [session, log] = withMessage((method, _, count) =>
    method === "POST" ? new Response("no poll", { status: 409 }) : count > 1 ? never() : object({}));
  const link = unused();
  openHttp(session, link, silent, true);
  await until(() => log.length === 2);
  link.flush();
  await until(() => log.length === 3);
  link.drop();
  const { sent } = link;
  await sleep(100);
  assert.deepEqual([log, link.sent], [["GET", "GET", "POST"], sent]);
});

test("an abandoned connection whose answer arrives sends nothing more", async () => {
  for (const [isPolling, status, log] of [[true, 200, ["GET", "GET"]], [false, 413, ["GET", "POST"]]]) {
    let answer;
    const stream = new ReadableStream({ start: (body) => body.enqueue(new TextEncoder().encode("event: session\ndata: {}\n\n")) });
    const events = new Response(stream, { headers: { "content-type": "text/event-stream" } });
    const [session, requests] = withMessage((method, _, count) => {
      if (method === "GET" && count === 1) return isPolling ? object({}) : events;
      return new Promise((done) => (answer = done));
    });
    session.queue.push({ data: "two", size: 3 });
    const link = unused();
    openHttp(session, link, { ...silent, control: () => isPolling || link.flush() }, isPolling);
    await until(() => answer);
    link.drop();
    answer(isPolling ? object({}) : new Response("", { status }));
    await sleep(20);
    assert.deepEqual(requests, log);
  }
});

test("a callback that abandons the connection is its last", async () => {
  const [session, log] = withMessage((method, _, count) => count > 2 || (count > 1 && method === "GET") ? never()
    : method === "GET" ? object({}) : new Response('{"received":1}'));
  session.queue.push({ data: "two", size: 3 });
  const link = unused();
  openHttp(session, link, { ...silent, control: () => link.flush(), acknowledged: () => link.drop() }, true);
  await until(() => log.includes("POST"));
  await sleep(20);
  assert.equal(log.filter((method) => method === "POST").length, 1);
});

test("an acknowledgement over events waits for no POST", async () => {
  let events;
  const stream = new ReadableStream({ start: (body) => (events = body) }), bodies = [];
  const [session] = withMessage((method, body) => {
    if (method === "GET") return new Response(stream, { headers: { "content-type": "text/event-stream" } });
    bodies.push(JSON.parse(body));
    return bodies.length === 1 ? never() : new Response('{"received":0}');
  });
  const link = unused();
  openHttp(session, link, {
    ...silent,
    control: () => link.flush(),
    message: () => (session.received++, (link.isAckDue = true), link.flush()),
  }, false);
  const push = (text) => events.enqueue(new TextEncoder().encode(text));
  push("event: session\ndata: {}\n\n");
  await until(() => bodies.length === 1);
  push("data: a large one\n\n");
  push("data: another one\n\n");
  await until(() => bodies.at(-1).ack === 2);
  assert.deepEqual(bodies[0], { first: 1, messages: ["one"], ack: 0 });
  assert.deepEqual(bodies.slice(1).filter((body) => Object.keys(body).join() !== "ack"), []);
  await sleep(20);
  assert.ok(bodies.length <= 3, bodies.length);
  link.drop();
});

test("a poll without messages begins with one POST, and the messages follow its answer", async () => {
  let posts = 0, most = 0;
  const bodies = [];
  const [session, log] = withMessage(async (method, body) => {
    if (method === "GET") return never();
    bodies.push(JSON.parse(body));
    most = Math.max(most, ++posts);
    await sleep(20);
    posts--;
    return bodies.length < 3 ? new Response("", { status: [409, 403][bodies.length - 1] })
      : new Response(JSON.stringify({ received: bodies.length - 3 }));
  });
  Object.assign(session, { token: "T", received: 5, last: 1 });
  const objects = [], acknowledged = [];
  const link = unused();
  openHttp(session, link, {
    ...silent,
    control: (json) => (objects.push(JSON.parse(json)), link.flush()),
    acknowledged: (number) => (acknowledged.push(number), session.acknowledge(number)),
  }, true);
  await until(() => acknowledged.length === 1);
  assert.deepEqual(objects, [{ session: { token: "T", resumed: true, received: 0 } }]);
  assert.deepEqual(bodies, [{ ack: 5 }, { ack: 5 }, { ack: 5 }, { first: 1, messages: ["one"], ack: 5 }]);
  assert.deepEqual([acknowledged, most, log[0]], [[1], 1, "GET"]);
  link.drop();
});

test("the answer to a POST of the session before a reset counts for nothing", withServer({}, async (server) => {
  let answer;
  const socket = new Socket(server.url, [], only("polling", { fetch: async (url, init) => {
    if (init.method !== "POST" || answer) return fetch(url, init);
    return new Promise((done) => (answer = done));
  } }));
  const resets = [];
  socket.onreset = ({ unacknowledged }) => resets.push(unacknowledged);
  socket.onclose = ({ code }) => resets.push(code);
  socket.onreconnecting = () => resets.push("reconnecting");
  await once(socket, "open");
  const [old] = server.sessions.values();
  socket.send("1");
  socket.send("2");
  await until(() => answer && old.carrier);
  // The server forgets the session, and the poll ends.
  server.sessions.clear();
  old.carrier.response.end(`event: session\ndata: ${JSON.stringify({ session: { token: old.token, resumed: true, received: 0 } })}\n\n`);
  await until(() => resets.length === 1);
  const [session] = server.sessions.values();
  const messages = [];
  session.onmessage = (data) => messages.push(data);
  socket.send("3");
  answer(new Response(JSON.stringify({ received: 2 }), { headers: { "content-type": "application/json" } }));
  await until(() => messages.length === 1);
  assert.deepEqual([messages, resets], [["3"], [["1", "2"]]]);
  socket.onclose = null;
  socket.close();
  await once(socket, "close");
}));

test("a session that is lost while the socket closes ends at once", withServer({}, async (server) => {
  const socket = new Socket(server.url, [], only("polling", {
    pongTimeout: 1000,
    fetch: (url, init) => init.method === "POST" ? new Promise((_, fail) => init.signal?.addEventListener("abort", fail)) : fetch(url, init),
  }));
  await once(socket, "open");
  const [old] = server.sessions.values();
  await until(() => old.carrier);
  socket.close();
  server.sessions.clear();
  old.carrier.response.end(`event: session\ndata: ${JSON.stringify({ session: { token: old.token, resumed: true, received: 0 } })}\n\n`);
  const { code, wasClean } = await once(socket, "close");
  assert.deepEqual([code, wasClean], [1006, false]);
}));

test("closeOnReset over events: the server's new session ends at once", withServer({}, async (server) => {
  const socket = new Socket(server.url, [], only("events", { closeOnReset: true }));
  await once(socket, "open");
  server.sessions.clear();
  let end;
  server.onsession = (session) => (session.onclose = (code, reason) => (end = [code, reason]));
  server.cut();
  assert.equal((await once(socket, "close")).code, 1006);
  await until(() => end);
  assert.deepEqual(end, [1000, "session lost"]);
}));
