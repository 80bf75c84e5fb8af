// Tests `examples/rpc` with the client that its contract generates: node generated.js EXAMPLES, the folder of the programs.
// Compiled by generated.mjs.
import assert from "node:assert/strict";
import { once } from "node:events";
import { WebSocket } from "ws";
import { freePort, start } from "./generated_support.js";
import { CallError, DisconnectedError, Rpc, type Sample, type Shape, type Tree } from "./rpc/rpc.js";

const program = `${process.argv[2]}/rpc`;
const options = { WebSocket, minDelay: 20, maxDelay: 200 };

const failed = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => assert.fail("no error"), (error: unknown) => error);

/** Returns a function for numbers below a bound, always the same ones. */
function random(seed: number): (bound: number) => number {
  return (bound) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * bound);
  };
}

/** Returns any value of a type, with the values at its ends. */
function sample(below: (bound: number) => number): Sample {
  const pick = <T>(...options: T[]): T => options[below(options.length)]!;
  const list = <T>(item: () => T): T[] => Array.from({ length: below(4) }, item);
  const text = () => pick("", "a", "κόσμε 🎈", "\u0000\u2028\"\\", "\ud83c".toWellFormed(), "__proto__", String(below(1000)));
  const integer = () => pick(0, 1, -1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, below(100_000) - 50_000);
  const float = () => pick(0, 1.5, -1e-7, 5e-324, Number.MAX_VALUE, below(1000) / 7, integer());
  const tree = (depth: number): Tree => ({ children: depth ? list(() => tree(depth - 1)) : [] });
  const shape = (): Shape => pick<Shape>({ type: "circle", radius: float() }, { type: "square", side: float() }, { type: "point" });
  return {
    text: text(),
    signed: integer(),
    unsigned: Math.abs(integer()),
    float: float(),
    flag: pick(true, false),
    letter: pick("a", "\u0000", "🎈"),
    nothing: null,
    ...pick({}, { optional: text() }),
    nullable: pick(null, below(256)),
    bytes: list(() => below(256)),
    pair: [text(), pick(null, integer())],
    $map: Object.fromEntries(list(() => [text(), shape()])),
    tree: tree(3),
    unit: pick<Sample["unit"]>("None", { Number: float() }, { Pair: [below(100), below(100) - 50] }, { Named: { name: text() } }),
    content: pick<Sample["content"]>({ kind: "None" }, { kind: "Text", value: text() }, { kind: "Named", value: { name: text() } }),
    untagged: pick<Sample["untagged"]>(true, list(text), { n: below(1000) }),
    isMore: pick(true, false),
  };
}

const port = await freePort();
const url = `ws://127.0.0.1:${port}`;
let server = await start(program, port);
const rpc = await Rpc.connect(url, options);
const errors: unknown[] = [];
rpc.onError((error) => errors.push(error));

// Calls, and their errors.
assert.equal(await rpc.add(1, 2), 3);
assert.equal(await rpc.divide(6, 4), 1.5);
const zero = await failed(rpc.divide(7, 0));
assert.ok(Rpc.isError("divide", zero) && zero.code === -32000 && zero.data.dividend === 7);
const sum = await failed(rpc.add(Number.MAX_SAFE_INTEGER, 1));
assert.ok(sum instanceof Error && sum.name === "ContractError", "2^53 is no safe integer");
assert.ok((await failed(rpc.add(2 ** 53, 1))) instanceof RangeError);
const order: number[] = [];
await Promise.all([300, 100, 200].map(async (ms) => order.push(await rpc.sleep(ms))));
assert.deepEqual(order, [100, 200, 300]);

// The end of the time, and cancellation.
const late = await failed(rpc.sleep(500, { timeout: 50 }));
assert.ok(late instanceof DOMException && late.name === "TimeoutError");
const abort = new AbortController();
const aborted = failed(rpc.sleep(500, { signal: abort.signal }));
abort.abort("enough");
assert.equal(await aborted, "enough");

// Notifications.
const ticks: number[] = [];
const remove = rpc.on("tick", ({ n }) => ticks.push(n));
await rpc.subscribe_clock(20);
while (ticks.length < 3) await rpc.sleep(20);
await rpc.unsubscribe_clock();
assert.deepEqual(ticks.slice(0, 3), [1, 2, 3]);
remove();

// Calls of the server.
const unanswered = await failed(rpc.ask("why?"));
assert.ok(unanswered instanceof CallError && unanswered.code === -32603);
rpc.handle("answer", async ({ question }) => `you asked: ${question}`);
assert.equal(await rpc.ask("why?"), "you asked: why?");

// Values of the declared types, there and back. Any JSON is `unknown`.
const below = random(1);
for (let count = 0; count < 2000; count += 50) {
  await Promise.all(Array.from({ length: 50 }, async () => {
    const value = sample(below);
    assert.deepEqual(await rpc.sample(value), value);
    assert.deepEqual(await rpc.echo(value), value);
  }));
}
// An argument of another type is refused before it is sent, and one that only the server can judge is refused there.
const value = sample(below);
const wrong = await failed(rpc.sample({ ...value, unit: { Pair: [1] } as unknown as Sample["unit"] }));
assert.ok(wrong instanceof TypeError, String(wrong));
assert.ok((await failed(rpc.sample({ ...value, unsigned: 2 ** 53 }))) instanceof RangeError);
const long = await failed(rpc.sample({ ...value, letter: "ab" }));
assert.ok(long instanceof CallError && long.code === -32602, String(long));
assert.deepEqual(errors, []);

// A server that stops and starts again: pending calls fail, and the hook subscribes again.
let resets = 0;
const resubscribed = new Promise<number>((done) => {
  rpc.on("tick", ({ n }) => resets > 0 && done(n));
  rpc.onReset(async () => {
    resets++;
    await rpc.subscribe_clock(20);
  });
});
const pending = failed(rpc.sleep(60_000));
server.kill("SIGKILL");
await once(server, "exit");
server = await start(program, port);
const lost = await pending;
assert.ok(lost instanceof DisconnectedError && lost.reason === "reset");
assert.ok((await resubscribed) >= 1);
assert.equal(await rpc.add(2, 3), 5);

// A crash of the handler, and the end.
assert.ok((await failed(rpc.panic())) instanceof DisconnectedError);
assert.equal(await rpc.add(2, 3), 5);
assert.ok(resets >= 2);
const { code } = await rpc.close(4000, "done");
assert.equal(code, 4000 as number);
assert.ok((await failed(rpc.add(1, 2))) instanceof DisconnectedError);
assert.deepEqual(errors, []);
server.kill();
