// Compiled, not run, by package.test.mjs.
import Default, { SessionSocket, type ResetEvent } from "ws-core-client";
import { SessionSocket as Minified } from "ws-core-client/ws-core.min.js";

const socket = new SessionSocket(new URL("wss://example.test/"), ["a"], { transports: ["websocket", "events"], maxQueue: 1 });
socket.onmessage = ({ data }) => console.log(data);
socket.onreset = function ({ unacknowledged }: ResetEvent) {
  for (const data of unacknowledged) this.send(data);
};
socket.addEventListener("reconnecting", ({ attempt, delay }) => console.log(attempt + delay));
socket.addEventListener("close", ({ code }) => console.log(code + SessionSocket.OPEN + socket.OPEN));
// A value of the class is one of the standard's class, and the class one of its classes.
const standard: WebSocket = socket;
const factory: typeof WebSocket = SessionSocket.with({ closeOnReset: true });
class Derived extends SessionSocket {}
const same: typeof SessionSocket = Default ?? Minified;
console.log(standard, factory, same, new Derived("/").transport);
// @ts-expect-error: an unknown transport.
new SessionSocket("/", [], { transports: ["carrier pigeon"] });
// @ts-expect-error: not a message.
socket.send(7);
