import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { connect, createServer } from "node:net";
import { WebSocket } from "ws";
import { SessionSocket } from "../src/ws-core.js";
import { TestServer, reset } from "./server.mjs";

export { TestServer, assert, reset };

const sockets = new Set();

/** The class under test, with short delays. Node 20 has no WebSocket of its own. */
export class Socket extends SessionSocket.with({ WebSocket, minDelay: 10, maxDelay: 100 }) {
  constructor(...args) {
    super(...args);
    sockets.add(this);
  }
}

export const TRANSPORTS = ["websocket", "events", "polling"];

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Waits for an event, up to 20 s. */
export const once = (target, type) => new Promise((done, fail) => {
  const timer = setTimeout(() => fail(new Error(`no ${type}`)), 20_000);
  target.addEventListener(type, (event) => (clearTimeout(timer), done(event)), { once: true });
});

/** Waits for a condition, up to 20 s. */
export async function until(condition, what = String(condition)) {
  for (let tries = 0; tries < 4000; tries++) {
    if (condition()) return;
    await sleep(5);
  }
  throw new Error(`waited for ${what}`);
}

/** Runs a test with a server, which must not have seen a violation of the protocol. */
export const withServer = (options, run) => async () => {
  const server = await TestServer.start(options);
  try {
    await run(server);
    assert.deepEqual(server.violations, []);
  } finally {
    // A socket of a failed test would connect for ever.
    for (const socket of sockets) socket.close();
    sockets.clear();
    await server.stop();
  }
};

/** A server whose sessions echo. */
export const echo = (session) => {
  session.onmessage = (data) => session.send(data);
};

/** Collects the messages of a socket. */
export function collect(socket) {
  const messages = [];
  socket.addEventListener("message", ({ data }) => messages.push(data));
  return messages;
}

/** The path of `interop-sessions`, or undefined. */
export const { SERVER } = process.env;

export async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** Starts the real server; returns the process when it listens. */
export async function startServer(port) {
  const child = spawn(SERVER, [`127.0.0.1:${port}`], { stdio: "ignore" });
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const isUp = await new Promise((done) => socket.once("connect", () => done(true)).once("error", () => done(false)));
    socket.destroy();
    if (isUp) return child;
    await sleep(20);
  }
}

/** Kills the real server; its port is free then. */
export const killServer = (child) => new Promise((done) => {
  child.once("exit", done);
  child.kill("SIGKILL");
});
