// Tests `examples/rpc` with clients of JSON-RPC 2.0 for Node. Prints a line per client, and fails if one fails.
// node rpc.mjs ws://127.0.0.1:PORT/rpc
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const WebSocket = require("ws");
const url = process.argv[2];
// Some packages do not export their package.json.
const manifest = (name) => new URL(`node_modules/${name}/package.json`, import.meta.url);
const version = (name) => JSON.parse(readFileSync(manifest(name))).version;

const opened = (socket) => new Promise((open, fail) => socket.once("open", open).once("error", fail));

/** npm's rpc-websockets: calls, errors, notifications. */
async function rpcWebsockets() {
  const { Client } = require("rpc-websockets");
  const client = new Client(url, { reconnect: false });
  await new Promise((open, fail) => (client.on("open", open), client.on("error", fail)));
  assert.equal(await client.call("add", [1, 2]), 3);
  assert.equal(await client.call("add", { b: 2, a: 1 }), 3);
  await assert.rejects(client.call("divide", [7, 0]), (error) => {
    assert.equal(error.code, -32000);
    assert.deepEqual(error.data, { dividend: 7 });
    return true;
  });
  await assert.rejects(client.call("nothing", []), (error) => error.code === -32601);
  const order = [];
  await Promise.all([300, 100, 200].map(async (ms) => order.push(await client.call("sleep", [ms]))));
  assert.deepEqual(order, [100, 200, 300]);
  const ticks = [];
  client.on("tick", (params) => ticks.push(params.n));
  await client.call("subscribe_clock", [50]);
  await client.call("sleep", [180]);
  await client.call("unsubscribe_clock", []);
  assert.deepEqual(ticks.slice(0, 3), [1, 2, 3]);
  const sums = await Promise.all(Array.from({ length: 10_000 }, (_, n) => client.call("add", [n, 1])));
  assert.ok(sums.every((sum, n) => sum === n + 1));
  client.close();
}

/** npm's json-rpc-2.0: calls in both directions. */
async function jsonRpc2() {
  const { JSONRPCClient, JSONRPCServer, JSONRPCServerAndClient } = require("json-rpc-2.0");
  const socket = new WebSocket(url);
  await opened(socket);
  const peer = new JSONRPCServerAndClient(
    new JSONRPCServer(),
    new JSONRPCClient((request) => Promise.resolve(socket.send(JSON.stringify(request)))),
  );
  socket.on("message", (text) => peer.receiveAndSend(JSON.parse(text.toString())));
  peer.addMethod("answer", ({ question }) => `you asked: ${question}`);
  assert.equal(await peer.request("add", [1, 2]), 3);
  assert.equal(await peer.request("ask", ["why?"]), "you asked: why?");
  const value = { text: "κόσμε 🎈", list: [1.5, null, true, { a: [] }] };
  assert.deepEqual(await peer.request("echo", [value]), value);
  await assert.rejects(peer.request("divide", [7, 0]), { code: -32000, message: "division by zero" });
  socket.close();
}

/** npm's vscode-jsonrpc: calls in both directions, over a reader and a writer of one message per frame. */
async function vscode() {
  const rpc = require("vscode-jsonrpc/node");
  const socket = new WebSocket(url);
  await opened(socket);
  class Reader extends rpc.AbstractMessageReader {
    listen(callback) {
      socket.on("message", (text) => callback(JSON.parse(text.toString())));
      return { dispose() {} };
    }
  }
  class Writer extends rpc.AbstractMessageWriter {
    async write(message) {
      socket.send(JSON.stringify(message));
    }
    end() {}
  }
  const connection = rpc.createMessageConnection(new Reader(), new Writer());
  connection.onRequest("answer", ({ question }) => `you asked: ${question}`);
  const ticks = [];
  connection.onNotification("tick", ({ n }) => ticks.push(n));
  connection.listen();
  assert.equal(await connection.sendRequest("add", 1, 2), 3);
  assert.equal(await connection.sendRequest("ask", "why?"), "you asked: why?");
  await connection.sendRequest("subscribe_clock", 50);
  await connection.sendRequest("sleep", 130);
  assert.deepEqual(ticks.slice(0, 2), [1, 2]);
  await assert.rejects(connection.sendRequest("divide", 7, 0), { code: -32000 });
  connection.dispose();
  socket.close();
}

for (const [name, run] of [["rpc-websockets", rpcWebsockets], ["json-rpc-2.0", jsonRpc2], ["vscode-jsonrpc", vscode]]) {
  await run();
  console.log(`${name} ${version(name)}: ok`);
}
process.exit(0);
