// The interface of `WebSocket`, as the HTML standard has it.
import { test } from "node:test";
import { FakeWebSocket, record, virtual } from "./fake.mjs";
import { SessionSocket } from "../src/ws-core.js";
import { assert } from "./support.mjs";

const options = { WebSocket: FakeWebSocket, transports: ["websocket"] };

test("constants are on the class and on its instances", (t) => {
  const socket = virtual(t)();
  for (const one of [SessionSocket, socket]) {
    assert.deepEqual([one.CONNECTING, one.OPEN, one.CLOSING, one.CLOSED], [0, 1, 2, 3]);
  }
  socket.close();
});

test("addresses become those of a WebSocket", (t) => {
  virtual(t);
  globalThis.location = { href: "https://example.test/a/page?x" };
  t.after(() => delete globalThis.location);
  const cases = [
    ["ws://h/", "ws://h/"],
    ["wss://h:444/p?q", "wss://h:444/p?q"],
    ["http://h/p", "ws://h/p"],
    [new URL("https://h/p"), "wss://h/p"],
    ["/rooms/1", "wss://example.test/rooms/1"],
    ["other", "wss://example.test/a/other"],
  ];
  for (const [url, expected] of cases) {
    const socket = new SessionSocket(url, [], options);
    assert.equal(socket.url, expected);
    socket.close();
  }
  for (const url of ["ftp://h/", "ws://h/#fragment", "ws://h/#", "ws://", "mailto:x"]) {
    assert.throws(() => new SessionSocket(url, [], options), { name: "SyntaxError" }, url);
  }
});

test("subprotocols are checked and offered before the session's", (t) => {
  virtual(t);
  for (const protocols of [["a", "a"], ["a b"], [""], ["a,b"], ["é"]]) {
    assert.throws(() => new SessionSocket("ws://h/", protocols, options), { name: "SyntaxError" }, `${protocols}`);
  }
  const socket = new SessionSocket("ws://h/", "chat.v2", options);
  assert.deepEqual(FakeWebSocket.last.protocols, ["chat.v2", "ws-core.session.v1"]);
  FakeWebSocket.last.open().session({ subprotocol: "chat.v2" });
  assert.deepEqual([socket.protocol, socket.extensions], ["chat.v2", ""]);
  socket.close();
});

test("close checks its arguments", (t) => {
  const socket = virtual(t)();
  for (const code of [0, 999, 1001, 1005, 1006, 2999, 5000, NaN]) {
    assert.throws(() => socket.close(code), { name: "InvalidAccessError" }, `${code}`);
  }
  assert.throws(() => socket.close(1000, "é".repeat(62)), { name: "SyntaxError" });
  assert.equal(socket.readyState, SessionSocket.CONNECTING);
  FakeWebSocket.last.open().session();
  socket.close(3000, "é".repeat(61));
  assert.deepEqual(FakeWebSocket.last.closed, [3000, "é".repeat(61)]);
  socket.close(1000);
  assert.equal(FakeWebSocket.last.closed[0], 3000);
});

test("close without arguments sends an empty close frame", (t) => {
  const socket = virtual(t)();
  const events = record(socket);
  FakeWebSocket.last.open().session();
  socket.close();
  assert.deepEqual(FakeWebSocket.last.closed, []);
  FakeWebSocket.last.end(1005);
  assert.equal(events.types(), "open close");
  assert.deepEqual([events[1][1].code, events[1][1].wasClean, socket.readyState], [1005, true, 3]);
});

test("a close before the first connection is an error", (t) => {
  const socket = virtual(t)();
  const events = record(socket);
  socket.close(1000);
  assert.equal(socket.readyState, SessionSocket.CLOSING);
  assert.equal(events.types(), "");
  t.mock.timers.tick(0);
  assert.equal(events.types(), "error close");
  assert.deepEqual([events[1][1].code, events[1][1].wasClean, socket.readyState], [1006, false, 3]);
  assert.ok(FakeWebSocket.last.closed, "the attempt is over");
});

test("a server that does not answer a close is not waited for", (t) => {
  const socket = virtual(t)({ pongTimeout: 500 });
  const events = record(socket);
  FakeWebSocket.last.open().session();
  socket.close();
  t.mock.timers.tick(499);
  assert.equal(events.types(), "open");
  t.mock.timers.tick(2);
  assert.equal(events.types(), "open close");
});

test("handlers are properties, and replace each other", (t) => {
  const socket = virtual(t)();
  for (const type of ["open", "message", "error", "close", "reconnecting", "resumed", "reset"]) {
    assert.equal(socket["on" + type], null);
    assert.ok("on" + type in SessionSocket.prototype);
  }
  let first = 0, second = 0;
  socket.onopen = () => first++;
  socket.onopen = function (event) {
    assert.equal(this, socket);
    assert.equal(event.target, socket);
    second++;
  };
  socket.onmessage = () => assert.fail("was removed");
  socket.onmessage = null;
  socket.onerror = "no function";
  assert.equal(socket.onerror, null);
  FakeWebSocket.last.open().session().receive("x");
  assert.deepEqual([first, second], [0, 1]);
  socket.close();
});

test("messages are strings, Blobs or ArrayBuffers", async (t) => {
  const socket = virtual(t)();
  const events = record(socket);
  const inner = FakeWebSocket.last.open().session();
  assert.equal(inner.binaryType, "arraybuffer");
  inner.receive("text");
  inner.receive(new Uint8Array([1, 2]).buffer);
  socket.binaryType = "arraybuffer";
  inner.receive(new Uint8Array([3]).buffer);
  const [text, blob, buffer] = events.slice(1).map(([, event]) => event);
  assert.ok(text instanceof MessageEvent);
  assert.deepEqual([text.data, text.origin], ["text", "ws://example.test"]);
  assert.ok(blob.data instanceof Blob);
  assert.deepEqual(new Uint8Array(await blob.data.arrayBuffer()), new Uint8Array([1, 2]));
  assert.deepEqual(buffer.data, new Uint8Array([3]).buffer);
  socket.close();
});

test("send takes what a WebSocket takes, and copies it", async (t) => {
  const socket = virtual(t)();
  const inner = FakeWebSocket.last.open().session();
  const bytes = new Uint8Array([1, 2, 3, 4]);
  for (const data of ["text", "\ud800", 7, null, bytes.buffer, bytes.subarray(1, 3), new DataView(bytes.buffer, 3)]) socket.send(data);
  socket.send(new Blob(["blob"]));
  socket.send("after the Blob");
  bytes.fill(9);
  assert.deepEqual(inner.sent, ["text", "\ufffd", "7", "null", new Uint8Array([1, 2, 3, 4]).buffer,
    new Uint8Array([2, 3]).buffer, new Uint8Array([4]).buffer]);
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  assert.deepEqual(inner.sent.slice(7), [new TextEncoder().encode("blob").buffer, "after the Blob"]);
  socket.close();
});

test("bufferedAmount counts what was not handed to a connection, and what its WebSocket holds", (t) => {
  const socket = virtual(t)();
  socket.send("é");
  socket.send(new Uint8Array(10));
  assert.equal(socket.bufferedAmount, 12);
  const inner = FakeWebSocket.last.open().session();
  assert.deepEqual([socket.bufferedAmount, inner.sent.length], [0, 2]);
  inner.bufferedAmount = 5;
  assert.equal(socket.bufferedAmount, 5);
  socket.close();
  socket.send("late");
  assert.equal(socket.bufferedAmount, 9);
  inner.end(1005);
  assert.deepEqual([inner.sent.length, socket.bufferedAmount], [2, 4]);
});

test("`with` makes a class with other defaults", (t) => {
  virtual(t);
  const Class = SessionSocket.with(options).with({ maxQueue: 3 });
  assert.equal(Class.OPEN, 1);
  const socket = new Class("ws://h/", ["a"]);
  assert.ok(socket instanceof SessionSocket);
  assert.deepEqual(FakeWebSocket.last.protocols, ["a", "ws-core.session.v1"]);
  const events = record(socket);
  socket.send("four");
  t.mock.timers.tick(0);
  assert.equal(events.types(), "error close");
  new Class("ws://h/", "a", { maxQueue: 4 }).send("four");
});
