// A WebSocket class without a network, for tests on a clock that jumps.
import { SessionSocket } from "../src/ws-core.js";

export class FakeWebSocket {
  static all = [];
  readyState = 0;
  bufferedAmount = 0;
  protocol = "";
  extensions = "";
  sent = [];

  constructor(url, protocols) {
    Object.assign(this, { url, protocols });
    FakeWebSocket.all.push(this);
  }
  static get last() {
    return this.all.at(-1);
  }
  send(data) {
    this.sent.push(data);
  }
  close(...args) {
    this.closed = args;
    this.readyState = 2;
  }

  // The server's side.
  open(protocol = "ws-core.session.v1") {
    this.readyState = 1;
    this.protocol = protocol;
    this.onopen?.();
    return this;
  }
  control(object) {
    this.receive("\0" + JSON.stringify(object));
    return this;
  }
  /** Sends the first object. */
  session(members) {
    return this.control({ session: { token: "T".repeat(22), resumed: false, received: 0, resume: 30_000, buffer: 1000, ...members } });
  }
  receive(data) {
    this.onmessage?.({ data });
  }
  end(code = 1006, reason = "") {
    this.readyState = 3;
    this.onclose?.({ code, reason, wasClean: code !== 1006 });
  }
  /** The control objects that the client has sent. */
  get controls() {
    return this.sent.filter((data) => data[0] === "\0").map((data) => JSON.parse(data.slice(1)));
  }
}

/** Replaces the clock and the network of a test; returns a function that makes sockets over WebSocket. */
export function virtual(t) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  FakeWebSocket.all = [];
  return (options) => new SessionSocket("ws://example.test/path", options?.protocols,
    { WebSocket: FakeWebSocket, transports: ["websocket"], ...options });
}

/** Collects events of a socket as `[type, event]`. */
export function record(socket) {
  const events = [];
  for (const type of ["open", "message", "error", "close", "reconnecting", "resumed", "reset"]) {
    socket.addEventListener(type, (event) => events.push([type, event]));
  }
  events.types = () => events.map(([type]) => type).join(" ");
  return events;
}
