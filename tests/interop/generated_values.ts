// Sends arbitrary values of types with all of serde's shapes through a generated client, and compares what comes back: node
// generated_values.js PROGRAM LINES, where a line is a value as JSON. Compiled by generated.mjs.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { WebSocket } from "ws";
import { freePort, start } from "./generated_support.js";
import { Mirror, type Values } from "./values/mirror.js";

const [program, lines] = process.argv.slice(2) as [string, string];
const port = await freePort();
const server = await start(program, port);
const late = setTimeout(() => {
  console.error("a value did not come back within two minutes");
  server.kill();
  process.exit(1);
}, 120_000);
const errors: unknown[] = [];
const mirror = await Mirror.connect(`ws://127.0.0.1:${port}`, { WebSocket, handlers: { reflect: ({ value }) => value } });
mirror.onError((error) => errors.push(error));
let said: (value: unknown) => void = () => {};
mirror.on("said", (value) => said(value));
mirror.on("parts", (value) => said(value));
mirror.on("nothing", () => said("nothing"));

/** Sends a value as a message, and returns the messages that come back. */
const say = (value: Values): Promise<unknown[]> => new Promise((resolve) => {
  const received: unknown[] = [];
  said = (message) => received.push(message) === 3 && resolve(received);
  mirror.say(value);
});

for (const line of readFileSync(lines, "utf8").trim().split("\n")) {
  const parsed: Values = JSON.parse(line);
  // JavaScript writes -0 as 0.
  const value: Values = JSON.parse(JSON.stringify(parsed));
  assert.deepEqual(await mirror.echo(parsed), value);
  assert.deepEqual(await mirror.all(parsed), value);
  assert.deepEqual(await mirror.around(parsed), value);
  const { integers, named, tree, enums } = value;
  assert.deepEqual(await mirror.parts(integers, named, tree), [integers, named, tree]);
  assert.deepEqual(await say(parsed), [value, { enums, named }, "nothing"]);
}
assert.deepEqual(errors, []);
await mirror.close();
clearTimeout(late);
server.kill();
await once(server, "exit");
