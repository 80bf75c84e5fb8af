// The session over WebSockets, on a clock that jumps: numbers, acknowledgements, delays, deadlines, close codes.
import { test } from "node:test";
import { Session } from "../src/session.js";
import { openWebSocket } from "../src/transports.js";
import { FakeWebSocket, record, virtual } from "./fake.mjs";
import { assert } from "./support.mjs";

const TOKEN = "T".repeat(22);

test("a lost connection is resumed: the token, the numbers, and what was not acknowledged", (t) => {
  const socket = virtual(t)();
  const events = record(socket);
  const first = FakeWebSocket.last.open().session();
  for (const data of ["1", "2", "3"]) socket.send(data);
  first.receive("a");
  first.receive("b");
  first.control({ ack: 1 });
  first.end();
  assert.deepEqual([socket.readyState, socket.transport], [1, null]);
  socket.send("4");
  t.mock.timers.tick(1000);
  const second = FakeWebSocket.last.open();
  assert.deepEqual(second.protocols, ["ws-core.session.v1", `ws-core.resume.${TOKEN}.2`]);
  assert.deepEqual(second.sent, []);
  second.session({ resumed: true, received: 2 });
  assert.deepEqual(second.sent, ["3", "4"]);
  second.receive("c");
  second.end();
  t.mock.timers.tick(2000);
  assert.equal(FakeWebSocket.last.protocols[1], `ws-core.resume.${TOKEN}.3`);
  assert.equal(events.types(), "open message message reconnecting resumed message reconnecting");
  socket.close();
});

test("a session that is over is told with what was not acknowledged", (t) => {
  const socket = virtual(t)();
  const events = record(socket);
  FakeWebSocket.last.open().session().control({ ack: 0 });
  for (const data of ["1", "2", "3"]) socket.send(data);
  FakeWebSocket.last.receive("a");
  FakeWebSocket.last.control({ ack: 1 }).end();
  const blob = new Blob(["x"]);
  socket.send(new Uint8Array([4]));
  socket.send(blob);
  socket.onreset = ({ unacknowledged }) => {
    assert.deepEqual(unacknowledged, ["2", "3", new Uint8Array([4]).buffer, blob]);
    socket.send("again");
  };
  t.mock.timers.tick(1000);
  FakeWebSocket.last.open().session({ token: "U".repeat(22) });
  assert.equal(events.types(), "open message reconnecting reset");
  assert.deepEqual(FakeWebSocket.last.sent, ["again"]);
  FakeWebSocket.last.control({ ack: 1 });
  FakeWebSocket.last.receive("b");
  FakeWebSocket.last.end();
  t.mock.timers.tick(2000);
  assert.equal(FakeWebSocket.last.protocols[1], `ws-core.resume.${"U".repeat(22)}.1`);
  socket.close();
});

test("messages are acknowledged after 128, after a quarter of the buffer, or after 5 s", (t) => {
  const socket = virtual(t)();
  const inner = FakeWebSocket.last.open().session({ buffer: 4000 });
  for (let n = 0; n < 127; n++) inner.receive("x");
  assert.deepEqual(inner.controls, []);
  inner.receive("x");
  assert.deepEqual(inner.controls, [{ ack: 128 }]);
  inner.receive(new ArrayBuffer(999));
  assert.equal(inner.controls.length, 1);
  inner.receive(new ArrayBuffer(1));
  assert.deepEqual(inner.controls.at(-1), { ack: 130 });
  inner.receive("κ".repeat(500));
  assert.deepEqual(inner.controls.at(-1), { ack: 131 });
  inner.receive("x");
  t.mock.timers.tick(4999);
  assert.equal(inner.controls.length, 3);
  inner.receive("x");
  t.mock.timers.tick(1);
  assert.deepEqual(inner.controls.at(-1), { ack: 133 });
  t.mock.timers.tick(20_000);
  assert.equal(inner.controls.length, 4);
  // Control objects are not numbered, but this one is a message.
  inner.control({ text: "\0" }).control({ pong: 1 }).control({ later: 1 });
  t.mock.timers.tick(5000);
  assert.deepEqual(inner.controls.at(-1), { ack: 134 });
  socket.close();
});

test("text that begins with U+0000 is a control object", (t) => {
  const socket = virtual(t)();
  const events = record(socket);
  const inner = FakeWebSocket.last.open().session();
  socket.send("\0a");
  assert.deepEqual(inner.sent, ['\0{"text":"\\u0000a"}']);
  inner.control({ text: "\0b" });
  assert.equal(events[1][1].data, "\0b");
  socket.close();
});

test("delays are exponential, with full jitter, from 1 s to 30 s", (t) => {
  let random = 1;
  t.mock.method(Math, "random", () => random);
  const socket = virtual(t)();
  const events = record(socket);
  FakeWebSocket.last.open().session();
  FakeWebSocket.last.end();
  const expected = [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000];
  for (const [index, delay] of expected.entries()) {
    const { attempt, delay: told } = events.at(-1)[1];
    assert.deepEqual([attempt, told], [index + 1, delay]);
    const { length } = FakeWebSocket.all;
    t.mock.timers.tick(delay - 1);
    assert.equal(FakeWebSocket.all.length, length);
    t.mock.timers.tick(1);
    assert.equal(FakeWebSocket.all.length, length + 1);
    FakeWebSocket.last.end();
  }
  random = 0.25;
  t.mock.timers.tick(30_000);
  FakeWebSocket.last.end();
  assert.equal(events.at(-1)[1].delay, 7500);
  // A connection that lives for longer than the shortest delay starts the count again; a shorter one does not.
  random = 1;
  t.mock.timers.tick(30_000);
  FakeWebSocket.last.open().session({ resumed: true });
  t.mock.timers.tick(900);
  FakeWebSocket.last.end();
  assert.equal(events.at(-1)[1].attempt, 10);
  t.mock.timers.tick(30_000);
  FakeWebSocket.last.open().session({ resumed: true });
  t.mock.timers.tick(1100);
  FakeWebSocket.last.end();
  assert.deepEqual([events.at(-1)[1].attempt, events.at(-1)[1].delay], [1, 1000]);
  socket.close();
});

test("the first connection is tried again like later ones, up to maxAttempts", (t) => {
  const socket = virtual(t)({ maxAttempts: 2 });
  const events = record(socket);
  for (let n = 0; n < 3; n++) {
    assert.equal(socket.readyState, 0);
    FakeWebSocket.last.end();
    t.mock.timers.tick(2000);
  }
  assert.equal(FakeWebSocket.all.length, 3);
  assert.equal(events.types(), "reconnecting reconnecting error close");
  assert.deepEqual([events[3][1].code, socket.readyState], [1006, 3]);
  t.mock.timers.tick(100_000);
  assert.equal(FakeWebSocket.all.length, 3);
});

test("a connection is made at once when the network is back or the page becomes visible", (t) => {
  const listeners = {};
  const add = (type, listener, { signal }) => {
    listeners[type] = listener;
    signal.addEventListener("abort", () => delete listeners[type]);
  };
  globalThis.addEventListener = add;
  globalThis.document = { hidden: true, addEventListener: add };
  t.after(() => (delete globalThis.addEventListener, delete globalThis.document));
  t.mock.method(Math, "random", () => 1);
  const socket = virtual(t)();
  FakeWebSocket.last.open().session();
  FakeWebSocket.last.end();
  listeners.online();
  assert.equal(FakeWebSocket.all.length, 2);
  // A connection is being tried: nothing more is to be done.
  listeners.online();
  assert.equal(FakeWebSocket.all.length, 2);
  FakeWebSocket.last.end();
  listeners.visibilitychange();
  assert.equal(FakeWebSocket.all.length, 2);
  document.hidden = false;
  listeners.visibilitychange();
  assert.equal(FakeWebSocket.all.length, 3);
  // The timers of the delays that were cut short are gone.
  t.mock.timers.tick(7999);
  assert.equal(FakeWebSocket.all.length, 3);
  // A connection that may have died while the page slept is checked.
  FakeWebSocket.last.open().session({ resumed: true });
  listeners.online();
  listeners.online();
  assert.deepEqual(FakeWebSocket.last.controls, [{ ping: 1 }]);
  // Not before the time that the server has set.
  FakeWebSocket.last.control({ reconnect: 5000 });
  FakeWebSocket.last.end(1012);
  listeners.online();
  assert.equal(FakeWebSocket.all.length, 3);
  t.mock.timers.tick(5000);
  assert.equal(FakeWebSocket.all.length, 4);
  socket.close();
  t.mock.timers.tick(0);
  assert.deepEqual(listeners, {});
});

test("`reconnect` sets the delay, and 1012 after it does not end the session", (t) => {
  const socket = virtual(t)();
  const events = record(socket);
  FakeWebSocket.last.open().session().control({ reconnect: 70_000 });
  socket.send("1");
  FakeWebSocket.last.end(1012);
  assert.equal(events.at(-1)[1].delay, 70_000);
  t.mock.timers.tick(69_999);
  assert.equal(FakeWebSocket.all.length, 1);
  t.mock.timers.tick(1);
  FakeWebSocket.last.open().session({ resumed: true });
  assert.deepEqual(FakeWebSocket.last.sent, ["1"]);
  // Once only.
  FakeWebSocket.last.end();
  assert.ok(events.at(-1)[1].delay <= 2000);
  socket.close();
});

for (const code of [1000, 1002, 1003, 1005, 1007, 1008, 1009, 1010, 3000, 4000, 4401, 4999]) {
  test(`close code ${code} is final`, (t) => {
    const socket = virtual(t)();
    const events = record(socket);
    FakeWebSocket.last.open().session();
    FakeWebSocket.last.end(code, "why");
    assert.equal(events.types(), "open close");
    const { code: seen, reason, wasClean } = events[1][1];
    assert.deepEqual([seen, reason, wasClean, socket.readyState], [code, "why", true, 3]);
    t.mock.timers.tick(100_000);
    assert.equal(FakeWebSocket.all.length, 1);
  });
}

for (const code of [1001, 1006, 1011, 1012, 1013, 1014, 1015]) {
  test(`close code ${code} is not final`, (t) => {
    const socket = virtual(t)();
    const events = record(socket);
    FakeWebSocket.last.open().session();
    FakeWebSocket.last.end(code);
    t.mock.timers.tick(1000);
    FakeWebSocket.last.open().session();
    assert.equal(events.types(), "open reconnecting reset");
    socket.close();
  });
}

test("a session that is taken over is resumed once; the second time in a row is final", (t) => {
  const socket = virtual(t)({ closeOnReset: true });
  const events = record(socket);
  FakeWebSocket.last.open().session();
  const again = (code) => {
    FakeWebSocket.last.end(code);
    t.mock.timers.tick(30_000);
  };
  again(4900);
  // An attempt that fails changes nothing.
  again(1006);
  FakeWebSocket.last.open().session({ resumed: true });
  again(1006);
  FakeWebSocket.last.open().session({ resumed: true });
  again(4900);
  FakeWebSocket.last.open().session({ resumed: true });
  assert.ok(!events.types().includes("close"));
  again(4900);
  assert.deepEqual([events.at(-1)[0], events.at(-1)[1].code, socket.readyState], ["close", 4900, 3]);
});

test("retryCodes is an option", (t) => {
  const make = virtual(t);
  const retried = make({ retryCodes: [4000] });
  FakeWebSocket.last.open().session();
  FakeWebSocket.last.end(4000);
  assert.equal(retried.readyState, 1);
  retried.close();
  const final = make({ retryCodes: [4000] });
  FakeWebSocket.last.open().session();
  FakeWebSocket.last.end(1001);
  assert.equal(final.readyState, 3);
});

test("a silent connection is pinged, and lost without an answer", (t) => {
  const socket = virtual(t)({ pingInterval: 1000, pongTimeout: 300 });
  const events = record(socket);
  const first = FakeWebSocket.last.open().session();
  t.mock.timers.tick(999);
  assert.deepEqual(first.controls, []);
  t.mock.timers.tick(1);
  assert.deepEqual(first.controls, [{ ping: 1 }]);
  first.control({ pong: 1 });
  // Any message is a sign of life.
  t.mock.timers.tick(900);
  first.receive("x");
  t.mock.timers.tick(900);
  assert.equal(first.controls.length, 1);
  t.mock.timers.tick(100);
  assert.equal(first.controls.length, 2);
  t.mock.timers.tick(299);
  assert.equal(events.types(), "open message");
  t.mock.timers.tick(1);
  assert.equal(events.types(), "open message reconnecting");
  // A close frame would end the session, so that the old connection is closed when the new one carries the session.
  t.mock.timers.tick(1000);
  assert.equal(first.closed, undefined);
  first.receive("late");
  FakeWebSocket.last.open().session({ resumed: true });
  assert.deepEqual(first.closed, [4900]);
  assert.equal(events.types(), "open message reconnecting resumed");
  socket.close();
});

test("a WebSocket that passes nothing has failed after the deadline", (t) => {
  const socket = virtual(t)({ connectTimeout: 500 });
  const events = record(socket);
  FakeWebSocket.last.open();
  t.mock.timers.tick(499);
  assert.equal(events.types(), "");
  t.mock.timers.tick(1);
  assert.equal(events.types(), "reconnecting");
  const [stale] = FakeWebSocket.all;
  t.mock.timers.tick(1000);
  assert.equal(stale.closed, undefined);
  FakeWebSocket.last.open().session();
  assert.deepEqual([events.types(), stale.closed], ["reconnecting open", [4900]]);
  socket.close();
});

test("abandoned WebSockets are closed when the socket closes", (t) => {
  const socket = virtual(t)({ connectTimeout: 500 });
  const [stale] = FakeWebSocket.all;
  stale.open();
  t.mock.timers.tick(500);
  socket.close();
  t.mock.timers.tick(0);
  assert.deepEqual(stale.closed, [4900]);
});

test("the queue has a bound; beyond it the socket closes with 4901", (t) => {
  const socket = virtual(t)({ maxQueue: 10 });
  const events = record(socket);
  const inner = FakeWebSocket.last.open().session();
  socket.send("12345");
  socket.send(new Uint8Array(5));
  assert.equal(socket.readyState, 1);
  inner.control({ ack: 1 });
  socket.send("12345");
  assert.equal(socket.readyState, 1);
  socket.send("x");
  assert.deepEqual([socket.readyState, inner.closed], [2, [4901, "queue full"]]);
  assert.equal(inner.sent.length, 3);
  t.mock.timers.tick(0);
  assert.equal(events.types(), "open error close");
  assert.deepEqual([events[2][1].code, events[2][1].reason, events[2][1].wasClean], [4901, "queue full", false]);
});

for (const [name, text] of [
  ["no JSON", "\0{"],
  ["a number", "\x007"],
  ["null", "\0null"],
  ["an array", "\0[1]"],
  ["no member", "\0{}"],
  ["two members", '\0{"ack":0,"pong":1}'],
  ["an acknowledgement of what was not sent", '\0{"ack":2}'],
  ["an acknowledgement that is no number", '\0{"ack":"x"}'],
]) {
  test(`${name} as control object is a protocol error`, (t) => {
    const socket = virtual(t)();
    const events = record(socket);
    FakeWebSocket.last.open().session();
    socket.send("1");
    FakeWebSocket.last.receive(text);
    assert.deepEqual(FakeWebSocket.last.closed, [4902, "protocol error"]);
    t.mock.timers.tick(0);
    assert.equal(events.types(), "open error close");
    assert.equal(events[2][1].code, 4902);
  });
}

test("malformed members of the session object do not throw", (t) => {
  for (const session of [null, 7, "x", [], { resumed: true }, { resumed: true, received: -1 }]) {
    const socket = virtual(t)();
    FakeWebSocket.last.open().control({ session });
    socket.close();
    t.mock.timers.tick(20_000);
    t.mock.timers.reset();
  }
});

// A server without the session protocol.

test("a server that selects the application's subprotocol is a plain WebSocket", (t) => {
  const socket = virtual(t)({ protocols: ["chat"], pingInterval: 10 });
  const events = record(socket);
  socket.send("early");
  FakeWebSocket.last.extensions = "permessage-deflate";
  FakeWebSocket.last.open("chat");
  assert.deepEqual([socket.protocol, socket.extensions], ["chat", "permessage-deflate"]);
  for (let n = 0; n < 100; n++) FakeWebSocket.last.receive("\0x");
  socket.send("\0y");
  t.mock.timers.tick(100);
  assert.deepEqual(FakeWebSocket.last.sent, ["early", "\0y"]);
  assert.equal(events.at(-1)[1].data, "\0x");
  FakeWebSocket.last.end();
  socket.send("meanwhile");
  t.mock.timers.tick(1000);
  assert.deepEqual(FakeWebSocket.last.protocols, ["chat", "ws-core.session.v1"]);
  FakeWebSocket.last.open("chat");
  const [type, { unacknowledged }] = events.at(-1);
  assert.deepEqual([type, unacknowledged], ["reset", ["meanwhile"]]);
  assert.deepEqual(FakeWebSocket.last.sent, []);
  socket.close();
});

test("an acknowledgement that was due is not sent to a server without sessions", async (t) => {
  let isGone = false;
  const stream = new Response(new ReadableStream({ start: (body) => {
    const session = JSON.stringify({ session: { token: TOKEN, resumed: false, received: 0 } });
    body.enqueue(new TextEncoder().encode(`event: session\ndata: ${session}\n\nid: 1\ndata: x\n\n`));
  } }), { headers: { "content-type": "text/event-stream" } });
  const fetch = async (_, { method }) => {
    if (method === "POST") return new Promise(() => {});
    return isGone ? new Response("", { status: 426 }) : stream;
  };
  const socket = virtual(t)({ transports: ["events", "plain"], fetch });
  const events = record(socket);
  for (let n = 0; n < 50; n++) await new Promise(setImmediate);
  assert.equal(events.types(), "open message");
  // The POST has no answer, so that the acknowledgement waits behind it.
  socket.send("1");
  t.mock.timers.tick(5000);
  isGone = true;
  for (let n = 0; n < 1000 && !FakeWebSocket.last; n++) {
    t.mock.timers.tick(100);
    await new Promise(setImmediate);
  }
  FakeWebSocket.last.open("");
  socket.send("2");
  assert.deepEqual([socket.transport, FakeWebSocket.last.sent], ["plain", ["2"]]);
  socket.close();
});

for (const transport of ["events", "polling"]) {
  test(`a silent connection is lost after the interval and pongTimeout, over ${transport}`, async (t) => {
    const session = `event: session\ndata: ${JSON.stringify({ session: { token: TOKEN, resumed: true, received: 0, interval: 100 } })}\n\n`;
    const isPolling = transport === "polling";
    // Ends a poll, or sends something on the events.
    let live;
    const fetch = () => {
      if (isPolling && live) return new Promise((done) => (live = () => done(new Response(session, { headers: { "content-type": "text/plain" } }))));
      live = () => {};
      if (isPolling) return Promise.resolve(new Response(session, { headers: { "content-type": "text/plain" } }));
      const body = new ReadableStream({ start: (stream) => {
        live = () => stream.enqueue(new TextEncoder().encode(":\n\n"));
        stream.enqueue(new TextEncoder().encode(session));
      } });
      return Promise.resolve(new Response(body, { headers: { "content-type": "text/event-stream" } }));
    };
    const turn = async () => {
      for (let n = 0; n < 50; n++) await new Promise(setImmediate);
    };
    const socket = virtual(t)({ transports: [transport], fetch, pongTimeout: 50 });
    const events = record(socket);
    await turn();
    for (let n = 0; n < 5; n++) {
      t.mock.timers.tick(149);
      live();
      await turn();
    }
    t.mock.timers.tick(149);
    assert.equal(events.types(), "open");
    t.mock.timers.tick(1);
    assert.equal(events.types(), "open reconnecting");
    socket.close();
  });
}

test("a Blob of a session that is over closes nothing when it cannot be read", async (t) => {
  const socket = virtual(t)();
  const events = record(socket);
  FakeWebSocket.last.open().session();
  let fail;
  const blob = new Blob(["x"]);
  blob.arrayBuffer = () => new Promise((_, reject) => (fail = reject));
  socket.send(blob);
  FakeWebSocket.last.end();
  t.mock.timers.tick(1000);
  FakeWebSocket.last.open().session();
  assert.deepEqual(events.at(-1)[1].unacknowledged, [blob]);
  fail(new Error("gone"));
  for (let n = 0; n < 5; n++) await new Promise(setImmediate);
  t.mock.timers.tick(0);
  assert.deepEqual([events.types(), socket.readyState], ["open reconnecting reset", 1]);
  socket.close();
});

test("a session that begins on the connection of another one starts its numbers", (t) => {
  const socket = virtual(t)();
  const events = record(socket);
  const inner = FakeWebSocket.last.open().session({ buffer: 4000 });
  for (const data of ["1", "2"]) socket.send(data);
  for (let n = 0; n < 136; n++) inner.receive("x");
  inner.session({ token: "U".repeat(22), buffer: 4000 });
  assert.deepEqual(events.at(-1)[1].unacknowledged, ["1", "2"]);
  socket.send("3");
  inner.control({ ack: 1 });
  for (let n = 0; n < 128; n++) inner.receive("x");
  assert.deepEqual([inner.sent.slice(-2), socket.bufferedAmount], [["3", '\0{"ack":128}'], 0]);
  socket.close();
});

test("WebSockets that have ended by themselves are not kept", () => {
  FakeWebSocket.all = [];
  const session = new Session("ws://example.test/", [], { WebSocket: FakeWebSocket });
  const links = [{}, {}];
  for (const link of links) openWebSocket(session, link, { lost() {} }, false);
  const [ended, live] = FakeWebSocket.all;
  ended.open().end();
  live.open();
  for (const link of links) link.drop();
  assert.equal(session.stale.size, 1);
  live.end();
  assert.equal(session.stale.size, 0);
});

test("a POST without a poll is sent again for ten seconds, with growing delays", async (t) => {
  const times = [];
  let start;
  const fetch = async (_, { method }) => {
    if (method !== "POST") return times.length ? new Promise(() => {}) : new Response(
      `event: session\ndata: ${JSON.stringify({ session: { token: TOKEN, resumed: true, received: 0 } })}\n\n`,
      { headers: { "content-type": "text/plain" } });
    times.push(Date.now() - start);
    return new Response("no poll", { status: 409 });
  };
  const turn = async () => {
    for (let n = 0; n < 50; n++) await new Promise(setImmediate);
  };
  const socket = virtual(t)({ transports: ["polling"], fetch });
  start = Date.now();
  const events = record(socket);
  socket.send("1");
  for (let n = 0; n < 211 && events.types() !== "open reconnecting"; n++) {
    await turn();
    t.mock.timers.tick(50);
  }
  assert.deepEqual([events.types(), times.slice(0, 4), times.at(-1), times.length],
    ["open reconnecting", [0, 50, 150, 300], 10_500, 21]);
  socket.close();
});

// Libraries with a handshake of their own.

test("closeOnReset: a session that cannot be resumed closes the socket", (t) => {
  const socket = virtual(t)({ closeOnReset: true });
  const events = record(socket);
  FakeWebSocket.last.open().session();
  FakeWebSocket.last.end();
  t.mock.timers.tick(1000);
  FakeWebSocket.last.open().session({ resumed: true });
  FakeWebSocket.last.end();
  t.mock.timers.tick(2000);
  FakeWebSocket.last.open().session();
  assert.deepEqual(FakeWebSocket.last.closed, [1000, "session lost"]);
  t.mock.timers.tick(0);
  assert.equal(events.types(), "open reconnecting resumed reconnecting reset close");
  assert.equal(events.at(-1)[1].code, 1006);
});

test("closeOnReset: close codes and lost plain connections close the socket", (t) => {
  const make = virtual(t);
  let events = record(make({ closeOnReset: true }));
  FakeWebSocket.last.open().session();
  FakeWebSocket.last.end(1011, "crash");
  assert.deepEqual([events.types(), events[1][1].code], ["open close", 1011]);
  events = record(make({ closeOnReset: true, protocols: ["chat"] }));
  FakeWebSocket.last.open("chat");
  FakeWebSocket.last.end();
  assert.deepEqual([events.types(), events[1][1].code], ["open close", 1006]);
});
