// The part that generated clients share, without a network and on a clock that jumps.
import { getEventListeners } from "node:events";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { inspect } from "node:util";
import { CallError, Client, ContractError, DisconnectedError, call, connect, isErrorOf, send } from "../src/contract.js";
import { mismatch } from "../src/schema.js";
import { fill, match } from "../src/template.js";
import { FakeWebSocket } from "./fake.mjs";
import { assert } from "./support.mjs";

const { handlers } = JSON.parse(readFileSync(
  new URL("../../../ws-core/src/contract/typescript/tests/everything.json", import.meta.url), "utf8"));
const [BOARD, CHAT, STATION, LINES] = handlers;

const PRICE = { symbol: "AAPL", cents: 1 };

/** Lets promises go on, which no mocked timer does. */
const settle = async () => {
  for (let turn = 0; turn < 20; turn++) await null;
};

/** Opens a client; returns it with functions of the server's side. */
async function open(t, contract, options = {}, parameters = { symbol: "AAPL", rest: "x", station: "7" }) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const client = new Client(contract, "ws://example.test", parameters,
    { WebSocket: FakeWebSocket, transports: ["websocket"], ...options });
  FakeWebSocket.last.open().session();
  await connect(client);
  t.mock.timers.tick(1);
  const errors = [];
  client.onError((error) => errors.push(error));
  const server = {
    errors,
    get last() {
      return JSON.parse(FakeWebSocket.last.sent.at(-1));
    },
    send: (message) => FakeWebSocket.last.receive(JSON.stringify(message)),
    result: (id, result) => server.send({ jsonrpc: "2.0", id, result }),
    error: (id, error) => server.send({ jsonrpc: "2.0", id, error }),
    /** Loses the connection, and connects again. */
    reconnect(members) {
      FakeWebSocket.last.end();
      t.mock.timers.tick(30_000);
      FakeWebSocket.last.open().session(members);
    },
  };
  t.after(() => void client.close());
  return { client, server };
}

test("a call has its parameters by name, and its result", async (t) => {
  const { client, server } = await open(t, BOARD);
  const order = call(client, "order", [7, undefined, 1.5], undefined);
  assert.deepEqual(server.last, { jsonrpc: "2.0", id: 1, method: "order", params: { id: 7, options: 1.5 } });
  server.result(1, { number: 1, side: "buy", later: true });
  assert.deepEqual(await order, { number: 1, side: "buy", later: true });
  const nothing = call(client, "subscribe", [["AAPL"]], undefined);
  server.result(2, null);
  assert.equal(await nothing, undefined);
  const bare = call(client, "report.build", [], undefined);
  assert.deepEqual(server.last, { jsonrpc: "2.0", id: 3, method: "report.build" });
  server.result(3, [1]);
  assert.deepEqual(await bare, [1]);
  // JSON-RPC has neither numbers nor null as parameters.
  send(client, "moved", [7]);
  assert.deepEqual(server.last, { jsonrpc: "2.0", method: "moved", params: [7] });
});

test("arguments of other types are refused before anything is sent", async (t) => {
  const { client } = await open(t, BOARD);
  const sent = FakeWebSocket.last.sent.length;
  const refused = (values, error) => assert.rejects(call(client, "order", values, undefined), error);
  await refused(["7", undefined, 1], { name: "TypeError", message: "order: id is not of type integer" });
  await refused([7], { name: "TypeError", message: "order: options is missing" });
  await refused([7, 1, 1], { name: "TypeError" });
  await refused([2 ** 53, undefined, 1], { name: "RangeError" });
  await refused([7, undefined, NaN], { name: "RangeError" });
  await refused([7n, undefined, 1], { name: "TypeError" });
  assert.throws(() => send(client, "moved", [2 ** 53]), { name: "RangeError" });
  assert.throws(() => send(client, "said", ["x".repeat(4097)]), { name: "RangeError" });
  assert.throws(() => send(client, "said", ["κ".repeat(2049)]), { name: "RangeError" });
  assert.equal(FakeWebSocket.last.sent.length, sent);
  send(client, "said", ["κ".repeat(2048)]);
  await refused([2 ** 53 - 1, undefined, NaN], { name: "RangeError" });
});

test("errors are typed, and those that a call declares are known", async (t) => {
  const { client, server } = await open(t, BOARD);
  const failed = async (error) => {
    const pending = call(client, "order", [7, undefined, 1], undefined);
    server.error(server.last.id, error);
    return pending.catch((error) => error);
  };
  const declared = await failed({ code: -32001, message: "refused", data: "buy" });
  assert.ok(declared instanceof CallError);
  assert.deepEqual([declared.code, declared.message, declared.data], [-32001, "refused", "buy"]);
  assert.ok(isErrorOf(BOARD, "order", declared));
  assert.ok(!isErrorOf(BOARD, "subscribe", declared));
  assert.ok(!isErrorOf(BOARD, "order", await failed({ code: -32001, message: "refused", data: "neither" })));
  assert.ok(!isErrorOf(BOARD, "order", await failed({ code: -32603, message: "later" })));
  assert.ok(!isErrorOf(BOARD, "order", new Error("of another kind")));
  assert.ok(isErrorOf(BOARD, "order", await failed({ code: -32002, message: "closed" })));
  const strange = await failed({ code: "x", message: 7 });
  assert.deepEqual([strange.code, strange.message], [-32603, "no text"]);
});

test("a result of another type fails its call, and nothing else", async (t) => {
  const { client, server } = await open(t, BOARD);
  for (const result of [{ number: "1", side: "buy" }, { side: "buy" }, null, { number: 2 ** 53, side: "buy" }]) {
    const pending = call(client, "order", [7, undefined, 1], undefined);
    server.result(server.last.id, result);
    const error = await pending.catch((error) => error);
    assert.ok(error instanceof ContractError);
    assert.deepEqual([error.kind, error.subject, error.received], ["wrong_type", "order", result]);
  }
  assert.deepEqual(server.errors, []);
});

test("a call ends after its time or with its signal, and a late answer is dropped", async (t) => {
  const { client, server } = await open(t, BOARD, { timeout: 1000 });
  const byDefault = call(client, "then", [], undefined);
  const own = call(client, "then", [], { timeout: 2000 });
  const never = call(client, "then", [], { timeout: Infinity });
  const abort = new AbortController();
  const aborted = call(client, "then", [], { signal: abort.signal });
  t.mock.timers.tick(999);
  abort.abort(new Error("enough"));
  await assert.rejects(aborted, { message: "enough" });
  await assert.rejects(call(client, "then", [], { signal: abort.signal }), { message: "enough" });
  t.mock.timers.tick(1);
  await assert.rejects(byDefault, { name: "TimeoutError" });
  t.mock.timers.tick(1000);
  await assert.rejects(own, { name: "TimeoutError" });
  for (const id of [1, 2, 4]) server.result(id, true);
  server.result(3, true);
  assert.equal(await never, true);
  const signal = new AbortController().signal;
  const answered = call(client, "then", [], { signal });
  assert.equal(getEventListeners(signal, "abort").length, 1);
  server.result(server.last.id, true);
  await answered;
  assert.equal(getEventListeners(signal, "abort").length, 0);
  assert.deepEqual(server.errors, []);
  server.result(6, true);
  server.error(null, { code: -32700, message: "Parse error" });
  assert.deepEqual(server.errors.map(({ kind }) => kind), ["unknown_answer", "unknown_answer"]);
  assert.equal(server.errors[1].cause.code, -32700);
});

test("pending calls survive a resume, and fail with a reset, after which the hooks run", async (t) => {
  const { client, server } = await open(t, BOARD);
  const events = [];
  client.onResumed(() => events.push("resumed"));
  client.onReconnecting(({ attempt }) => events.push(`attempt ${attempt}`));
  client.onReset(async ({ unacknowledged }) => {
    events.push(unacknowledged.length);
    await call(client, "subscribe", [["AAPL"]], undefined);
    events.push("subscribed");
  });
  const pending = call(client, "then", [], undefined);
  server.reconnect({ resumed: true, received: 1 });
  server.result(1, true);
  assert.equal(await pending, true);
  const lost = call(client, "then", [], undefined);
  server.reconnect({ resumed: false });
  await assert.rejects(lost, (error) => error instanceof DisconnectedError && error.reason === "reset");
  assert.equal(server.last.method, "subscribe");
  // The answer of the earlier handler is no answer to a call of this one.
  server.result(2, true);
  server.result(server.last.id, null);
  await settle();
  assert.deepEqual(events, ["attempt 1", "resumed", "attempt 2", 1, "subscribed"]);
  client.onReset(() => {
    throw new Error("no");
  });
  server.reconnect({ resumed: false });
  await settle();
  assert.deepEqual(server.errors.map(({ kind, cause }) => [kind, cause.message]), [["hook", "no"]]);
});

test("the end fails pending and further calls", async (t) => {
  const { client } = await open(t, BOARD);
  const pending = call(client, "then", [], undefined);
  FakeWebSocket.last.end(4401, "log in first");
  assert.deepEqual(await client.closed, { code: 4401, reason: "log in first", wasClean: true });
  await assert.rejects(pending, (error) => error.reason === "closed" && error.close.code === 4401);
  await assert.rejects(call(client, "then", [], undefined), DisconnectedError);
  assert.throws(() => send(client, "typing", []), DisconnectedError);
});

test("a client closes with 1000, or its own code", async (t) => {
  const { client } = await open(t, BOARD);
  void client.close();
  assert.deepEqual(FakeWebSocket.last.closed, [1000, ""]);
  void client.close(4000, "again");
  assert.deepEqual(FakeWebSocket.last.closed, [1000, ""]);
});

test("messages go to their listeners, others are reported, and nothing stops", async (t) => {
  const { client, server } = await open(t, BOARD);
  const got = [];
  const remove = client.on("price", (price) => got.push(price));
  for (const name of ["halted", "count", "pong"]) client.on(name, (value) => got.push([name, value]));
  const message = (method, params) => server.send({ jsonrpc: "2.0", method, params });
  message("price", PRICE);
  message("halted", ["AAPL", null]);
  message("halted", { symbol: "AAPL" });
  // JSON-RPC has neither numbers nor nothing as parameters.
  message("count", [7]);
  message("pong", undefined);
  assert.deepEqual(got, [PRICE, ["halted", { symbol: "AAPL", until: null }], ["halted", { symbol: "AAPL" }],
    ["count", 7], ["pong", undefined]]);
  message("price", { symbol: 7, cents: 1 });
  message("count", [2 ** 53]);
  message("halted", []);
  message("later", {});
  message("__proto__", {});
  message("constructor", {});
  assert.deepEqual(server.errors.map(({ kind, subject }) => [kind, subject]), [
    ["wrong_type", "price"], ["wrong_type", "count"], ["wrong_type", "halted"], ["unknown_message", "later"],
    ["unknown_message", "__proto__"], ["unknown_message", "constructor"],
  ]);
  assert.equal(got.length, 5);
  remove();
  message("price", PRICE);
  assert.equal(got.length, 5);
  assert.throws(() => client.on("later", () => {}), TypeError);
  assert.throws(() => client.on("price"), TypeError);
});

test("messages that arrive before the code after connect are not lost", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const client = new Client(BOARD, "ws://example.test", { symbol: "a", rest: "b" }, { WebSocket: FakeWebSocket });
  FakeWebSocket.last.open().session().receive(JSON.stringify({ jsonrpc: "2.0", method: "price", params: PRICE }));
  await connect(client);
  const got = [];
  client.on("price", (price) => got.push(price));
  t.mock.timers.tick(1);
  assert.deepEqual(got, [PRICE]);
  client.close();
});

test("what a listener throws is uncaught, and the others run", async (t) => {
  const { client, server } = await open(t, BOARD);
  const uncaught = [];
  t.mock.method(globalThis, "queueMicrotask", (callback) => uncaught.push(callback));
  let count = 0;
  client.on("pong", () => {
    throw new Error("in a listener");
  });
  client.on("pong", () => count++);
  server.send({ jsonrpc: "2.0", method: "pong" });
  assert.equal(count, 1);
  assert.equal(uncaught.length, 1);
  assert.throws(uncaught[0], { message: "in a listener" });
});

test("calls of the server are answered by their handlers", async (t) => {
  const { client, server } = await open(t, BOARD, { handlers: { confirm: ({ order }) => order === 7 } });
  const ask = async (params, method = "confirm") => {
    server.send({ jsonrpc: "2.0", id: 41, method, params });
    await settle();
    const { jsonrpc, id, ...answer } = server.last;
    assert.deepEqual([jsonrpc, id], ["2.0", 41]);
    return answer;
  };
  assert.deepEqual(await ask({ order: 7 }), { result: true });
  assert.deepEqual(await ask({ order: 8 }), { result: false });
  assert.deepEqual(await ask({ order: "7" }), {
    error: { code: -32602, message: "Invalid params", data: "the value.order is not of type integer" },
  });
  assert.deepEqual(await ask(undefined, "ready?"), { error: { code: -32601, message: "Method not found" } });
  assert.deepEqual(await ask({}, "later"), { error: { code: -32601, message: "Method not found" } });
  const remove = client.handle("ready?", async () => {});
  assert.deepEqual(await ask(undefined, "ready?"), { result: null });
  remove();
  assert.deepEqual(await ask(undefined, "ready?"), { error: { code: -32601, message: "Method not found" } });
  client.handle("confirm", () => {
    throw new CallError(7, "no", { why: "closed" });
  });
  assert.deepEqual(await ask({ order: 7 }), { error: { code: 7, message: "no", data: { why: "closed" } } });
  assert.deepEqual(server.errors.map(({ kind }) => kind), ["wrong_type", "unknown_message"]);
  for (const handler of [() => { throw new Error("secret"); }, () => "yes", () => { throw new CallError(7, "no", 7n); }]) {
    client.handle("confirm", handler);
    assert.deepEqual(await ask({ order: 7 }), { error: { code: -32603, message: "Internal error" } });
  }
  assert.deepEqual(server.errors.slice(2).map(({ kind, subject }) => [kind, subject]), Array(3).fill(["handler", "confirm"]));
  assert.throws(() => client.handle("later", () => {}), TypeError);
});

test("a new handler of the server gets no answer to a call of the earlier one", async (t) => {
  let answer, signal;
  const { server } = await open(t, BOARD, { handlers: {
    confirm: (_, context) => ({ signal } = context, new Promise((done) => (answer = done))),
  } });
  server.send({ jsonrpc: "2.0", id: 1, method: "confirm", params: { order: 7 } });
  server.reconnect({ resumed: false });
  assert.ok(signal.aborted);
  const sent = FakeWebSocket.last.sent.length;
  answer(true);
  await settle();
  assert.equal(FakeWebSocket.last.sent.length, sent);
});

test("methods of one name in several states have their own parameters, results and errors", async (t) => {
  const calls = CHAT.client.calls.map((one, index) => index === 0 ? one : { ...one, method: "add_" });
  const contract = { ...CHAT, client: { calls } };
  const { client, server } = await open(t, contract);
  const sum = call(client, "add", [1, 2], undefined), text = call(client, "add_", ["x"], undefined);
  assert.deepEqual(server.last, { type: "add", id: 2, text: "x" });
  server.send({ id: 2, result: { text: "y" } });
  server.send({ id: 1, result: 3 });
  assert.deepEqual([await sum, await text], [3, { text: "y" }]);
  await assert.rejects(call(client, "add_", [1], undefined), { message: "add: text is not of type string" });
  assert.deepEqual([1, 2, 3].map((code) => isErrorOf(contract, "add", new CallError(code, "no"))), [true, true, false]);
});

test("an envelope without a form for a message sends none, and reads none", async (t) => {
  const messages = [{ name: "typing", frame: "envelope", content: { kind: "nothing" } }];
  const { client, server } = await open(t, { ...STATION, envelope: { ...STATION.envelope, message: null }, client: { messages } });
  const sent = FakeWebSocket.last.sent.length;
  assert.throws(() => send(client, "typing", []), { name: "TypeError", message: "Station: the envelope has no form for a message" });
  assert.equal(FakeWebSocket.last.sent.length, sent);
  server.send(null);
  assert.deepEqual(server.errors.map(({ kind, message }) => [kind, message]), [["unknown_message", "Station: an unknown text message"]]);
});

test("Tagged has the parameters beside the name", async (t) => {
  const { client, server } = await open(t, CHAT);
  const sum = call(client, "add", [1, 2], undefined);
  assert.deepEqual(server.last, { type: "add", id: 1, a: 1, b: 2 });
  server.send({ id: 1, result: 3 });
  assert.equal(await sum, 3);
  const failed = call(client, "add", [1, 2], undefined);
  server.send({ id: 2, error: { code: 4, message: "no" } });
  await assert.rejects(failed, { code: 4, data: undefined });
  const got = [];
  for (const name of ["error", "empty"]) client.on(name, (value) => got.push(value));
  server.send({ type: "error", text: "x" });
  server.send({ type: "empty" });
  assert.deepEqual(got, [{ text: "x" }, null]);
  assert.deepEqual(server.errors, []);
});

test("an envelope of arrays is read and written by its templates", async (t) => {
  const { client, server } = await open(t, STATION, { handlers: { RemoteStartTransaction: () => ({ status: "Accepted" }) } });
  const beat = call(client, "Heartbeat", [], undefined);
  assert.deepEqual(server.last, [2, "1", "Heartbeat", null]);
  server.send([3, "1", { currentTime: "now" }]);
  assert.deepEqual(await beat, { currentTime: "now" });
  const refused = call(client, "Authorize", [{ idTag: "x" }], undefined);
  server.send([4, "2", "FormationViolation", "missing", {}]);
  await assert.rejects(refused, { code: -32603, message: "missing" });
  server.send([2, "77", "RemoteStartTransaction", { connectorId: 1 }]);
  await settle();
  assert.deepEqual(server.last, [3, "77", { status: "Accepted" }]);
  server.send([9]);
  assert.deepEqual(server.errors.map(({ kind }) => kind), ["unknown_message"]);
});

test("messages without an envelope are known by their types", async (t) => {
  const { client, server } = await open(t, LINES, {}, undefined);
  assert.deepEqual(FakeWebSocket.last.url, "ws://example.test/lines");
  const got = [];
  for (const name of ["line", "users"]) client.on(name, (value) => got.push([name, value]));
  send(client, "say", [{ text: "hi" }]);
  assert.deepEqual(server.last, { text: "hi" });
  server.send({ text: "hi" });
  server.send(["ann"]);
  server.send(7);
  FakeWebSocket.last.receive("no JSON");
  FakeWebSocket.last.receive(new ArrayBuffer(1));
  FakeWebSocket.last.receive("[".repeat(500_000));
  assert.deepEqual(got, [["line", { text: "hi" }], ["users", ["ann"]]]);
  assert.deepEqual(server.errors.map(({ kind }) => kind), ["wrong_type", "wrong_type", "unknown_message", "wrong_type"]);
});

test("bytes and text pass as they are", async (t) => {
  const { client } = await open(t, BOARD);
  const got = [];
  for (const name of ["line", "image"]) client.on(name, (value) => got.push(value));
  send(client, "upload", [new Uint8Array([1, 2])]);
  assert.deepEqual(new Uint8Array(FakeWebSocket.last.sent.at(-1)), new Uint8Array([1, 2]));
  send(client, "said", ["{}"]);
  assert.equal(FakeWebSocket.last.sent.at(-1), "{}");
  FakeWebSocket.last.receive("no JSON");
  FakeWebSocket.last.receive(new Uint8Array([3]).buffer);
  assert.deepEqual(got, ["no JSON", new Uint8Array([3])]);
});

test("a value that is nested deeper than the stack is reported", async (t) => {
  const { client, server } = await open(t, BOARD);
  let result = '{"any":1,"bytes":[],"color":[1,2,3],"kebab-case":true,"map":{},"pair":["",1],"set":[],"by_number":{},"documented":{"symbol":"","cents":1},"optional":';
  result += '{"children":['.repeat(100_000) + "]}".repeat(100_000) + "}";
  const pending = call(client, "echo", [{ any: 1, bytes: [], color: [1, 2, 3], "kebab-case": true, map: {}, pair: ["", 1],
    set: [], by_number: {}, documented: PRICE }], { timeout: 1 });
  FakeWebSocket.last.receive(`{"jsonrpc":"2.0","id":1,"result":${result}}`);
  await assert.rejects(pending, { name: "ContractError", kind: "wrong_type" });
  assert.deepEqual(server.errors, []);
});

test("the address has the parameters of the path and of the query", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const address = (url, parameters, contract = BOARD) => {
    new Client(contract, url, parameters, { WebSocket: FakeWebSocket, transports: ["websocket"] }).close();
    return FakeWebSocket.last.url;
  };
  const given = { symbol: "a/b ü", rest: "x/y z" };
  assert.equal(address("ws://h", given), "ws://h/board/a%2Fb%20%C3%BC/x/y%20z");
  assert.equal(address(new URL("https://h/below/?token=1"), { ...given, depth: 3 }), "wss://h/below/board/a%2Fb%20%C3%BC/x/y%20z?token=1&depth=3");
  assert.equal(address("ws://h/", { ...given, depth: null }), "ws://h/board/a%2Fb%20%C3%BC/x/y%20z");
  assert.deepEqual(FakeWebSocket.last.protocols.slice(0, 2), ["board.v2", "board.v1"]);
  for (const wrong of [{}, { rest: "x" }, { symbol: "", rest: "x" }, { symbol: "..", rest: "x" }, { symbol: "x", rest: "a/../b" },
    { symbol: 7, rest: "x" }, { ...given, depth: "3" }]) {
    assert.throws(() => address("ws://h", wrong), TypeError, JSON.stringify(wrong));
  }
  assert.throws(() => address("ws://h", { ...given, depth: 2 ** 53 }), RangeError);
  // Two braces of a path stand for one.
  assert.equal(address("ws://h", { b: "x" }, { ...LINES, path: "/{{a}}/{b}" }), "ws://h/%7Ba%7D/x");
  // A handler without sessions is reached over a WebSocket only.
  new Client(CHAT, "ws://h", undefined, { WebSocket: FakeWebSocket }).close();
  assert.deepEqual(FakeWebSocket.last.protocols, []);
});

test("connect fails with its signal, and with the end of the connection", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const abort = new AbortController();
  const make = (options) => new Client(CHAT, "ws://h", undefined, { WebSocket: FakeWebSocket, ...options });
  const client = make({ signal: abort.signal });
  const aborted = connect(client);
  abort.abort(new Error("enough"));
  await assert.rejects(aborted, { message: "enough" });
  t.mock.timers.tick(1);
  assert.equal((await client.closed).code, 1006);
  assert.throws(() => make({ signal: abort.signal }), { message: "enough" });
  const failed = connect(make({ maxAttempts: 0 }));
  FakeWebSocket.last.end();
  t.mock.timers.tick(1);
  await assert.rejects(failed, (error) => error instanceof DisconnectedError && error.close.code === 1006);
});

test("schemas are checked as their types", () => {
  const schemas = { Tree: { type: "object", properties: { children: { type: "array", items: { $ref: "#/schemas/Tree" } } }, required: ["children"] } };
  const fits = (schema, ...values) => values.forEach((value) => assert.equal(mismatch(schema, value, schemas, "x"), undefined, inspect(value)));
  const differs = (schema, ...values) => values.forEach((value) => assert.ok(mismatch(schema, value, schemas, "x"), inspect(value)));
  fits(true, 1, null);
  differs(false, 1);
  fits({ $ref: "#/schemas/Tree" }, { children: [{ children: [], more: 1 }] });
  differs({ $ref: "#/schemas/Tree" }, { children: [{}] }, [], null);
  fits({ $ref: "#/schemas/constructor" }, 1);
  fits({ type: "integer" }, 0, -1, 2 ** 53 - 1);
  differs({ type: "integer" }, 0.5, 2 ** 53, -(2 ** 53), "1", NaN, Infinity, 1n);
  fits({ type: "number" }, 0.5, 2 ** 60);
  differs({ type: "number" }, NaN, -Infinity, "1");
  fits({ type: ["string", "null"] }, "", null);
  differs({ type: ["string", "null"] }, 1, undefined);
  fits({ enum: ["a", { b: [1] }] }, "a", { b: [1] });
  differs({ enum: ["a", { b: [1] }] }, "b", { b: [1, 2] }, { b: [1], c: 1 }, {});
  fits({ const: null }, null);
  differs({ const: null }, 0, undefined);
  const pair = { type: "array", items: [{ type: "string" }, { type: "integer" }], minItems: 2, maxItems: 2 };
  fits(pair, ["a", 1]);
  differs(pair, ["a"], ["a", 1, 2], [1, "a"]);
  fits({ type: "array", items: [true], additionalItems: { type: "string" } }, [1, "a"]);
  differs({ type: "array", items: [true], additionalItems: { type: "string" } }, [1, 2]);
  fits({ type: "object", additionalProperties: { type: "string" } }, {}, { a: "b" });
  differs({ type: "object", additionalProperties: { type: "string" } }, { a: 1 }, [], null);
  fits({ type: "object", patternProperties: { "^\\d+$": { type: "string" } }, additionalProperties: false }, { 1: "a" });
  differs({ type: "object", patternProperties: { "^\\d+$": { type: "string" } }, additionalProperties: false }, { 1: 1 });
  fits({ type: "object", properties: { a: { type: "string" } }, additionalProperties: false }, { later: 1 });
  differs({ type: "object", required: ["toString"] }, {});
  fits({ allOf: [{ type: "object" }, { required: ["a"] }] }, { a: 1 });
  differs({ allOf: [{ type: "object" }, { required: ["a"] }] }, {}, 1);
  fits({ oneOf: [{ type: "string" }, { type: "integer" }] }, "a", 1);
  differs({ oneOf: [{ type: "string" }, { type: "integer" }] }, true);
  assert.equal(mismatch({ anyOf: [{ type: "null" }, { type: "integer" }] }, 2 ** 53, {}, "x").isRange, true);
});

test("templates are filled and matched", () => {
  const merged = { type: "$name", $params: true };
  const params = JSON.parse('{"__proto__": 1, "a": 2}');
  assert.equal(JSON.stringify(fill(merged, { name: "x", params })), '{"type":"x","__proto__":1,"a":2}');
  assert.equal(JSON.stringify(match(merged, JSON.parse('{"type":"x","__proto__":1}'))), '{"name":"x","params":{"__proto__":1}}');
  assert.equal(match(merged, { type: 7 }), undefined);
  assert.equal(match(merged, { name: "x" }), undefined);
  assert.equal(match({ a: "$id" }, {}), undefined);
  assert.deepEqual(match({ a: "$id", b: "$data" }, { a: null }), { id: null });
  assert.deepEqual(fill([3, "$id_text", "$params", { a: "$data", b: 1 }], { id: 7 }), [3, "7", null, { b: 1 }]);
  assert.deepEqual(match([3, "$id_text", { k: "v" }], [3, "7", { k: "v" }]), { id: "7" });
  assert.equal(match([3, "$id_text"], [3, "7", 1]), undefined);
  assert.equal(match([3, "word", "$id"], [3, "other", 1]), undefined);
  assert.deepEqual(match([3, "word", "$id"], [3, "other", 1], true), { id: 1 });
  assert.equal(match([3, "word", "$id"], [4, "other", 1], true), undefined);
});
