// A server of the session protocol for tests, written from its description. It accepts all that the protocol
// allows and checks all that it demands: a client that violates it makes `violations` grow.
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

/**
 * Resets a connection. Node resets a socket that connects after it has sent what waits, and never exits after the reset of
 * one that is being shut down; these are closed.
 */
export const reset = (socket) => socket.connecting || socket.writableEnded ? socket.destroy() : socket.resetAndDestroy();

const SUBPROTOCOL = "ws-core.session.v1";

/** One session: its numbers, its messages, and the connection that carries it. */
class Session {
  token = randomBytes(16).toString("base64url");
  received = 0;
  first = 1;
  queue = [];
  carrier = null;
  isOver = false;

  constructor(server) {
    this.server = server;
    server.sessions.set(this.token, this);
    server.onsession?.(this);
  }

  /** Sends a message of the application: a string or a Buffer. */
  send(data) {
    if (this.isOver) return;
    this.queue.push(data);
    this.carrier?.message(data, this.first + this.queue.length - 1);
  }

  control(object) {
    this.carrier?.control(object);
  }

  /** Handles a message of the client. */
  accept(data) {
    this.received += 1;
    this.onmessage?.(data);
    if (this.received % 16 === 0 && this.server.acks) this.control({ ack: this.received });
  }

  acknowledge(number) {
    const count = number - this.first + 1;
    if (!Number.isInteger(number) || count > this.queue.length) return this.violation(`ack of ${number}`);
    this.queue.splice(0, Math.max(count, 0));
    this.first += Math.max(count, 0);
  }

  /** Makes a connection carry the session: the object, then what the client has missed. */
  attach(carrier, resumed, received) {
    if (resumed && received < this.first - 1) this.violation(`resume from ${received}, already acknowledged`);
    if (resumed) this.acknowledge(received);
    const old = this.carrier;
    this.carrier = carrier;
    this.isPolled = carrier.isPolling;
    old?.replaced();
    const { server, token } = this;
    carrier.control({
      session: { token, resumed, received: this.received, resume: 30_000, buffer: 262_144, interval: server.interval,
        ...(server.subprotocol && { subprotocol: server.subprotocol }), later: [1] },
    });
    carrier.control({ unknown: true });
    this.queue.forEach((data, index) => carrier.message(data, this.first + index));
    if (!resumed) this.onopen?.();
    else if (this.isOver) this.close();
  }

  detach(carrier) {
    if (this.carrier !== carrier) return;
    this.carrier = null;
    this.detachedAt = Date.now();
  }

  /** Closes the session, as its handler would. */
  close(code, reason = "") {
    this.isOver = true;
    // Between two polls, the close waits for the next one.
    if (!this.carrier) return (this.close = this.close.bind(this, code, reason));
    this.carrier.close(code, reason);
    this.carrier = null;
    this.server.sessions.delete(this.token);
  }

  ended(code, reason) {
    this.isOver = true;
    this.server.sessions.delete(this.token);
    this.onclose?.(code, reason);
  }

  violation(text) {
    this.server.violations.push(text);
  }
}

/** A session's WebSocket. */
class SocketCarrier {
  constructor(socket) {
    this.socket = socket;
  }
  message(data) {
    if (typeof data === "string" && data[0] === "\0") this.control({ text: data });
    else this.socket.send(data);
  }
  control(object) {
    this.socket.send("\0" + JSON.stringify(object));
  }
  close(code, reason) {
    this.socket.close(code, reason);
  }
  replaced() {
    this.socket.close(4900, "taken over");
  }
}

/** A response of events, or a poll, which ends with the first message. */
class ResponseCarrier {
  constructor(session, response, isPolling) {
    Object.assign(this, { session, response, isPolling });
    const type = isPolling ? "text/plain; charset=utf-8" : "text/event-stream";
    const headers = { "content-type": type, "cache-control": "no-store, no-transform", "x-accel-buffering": "no" };
    if (isPolling) {
      // Nothing arrives before the end of the poll, as behind a proxy that buffers.
      let body = "";
      response.write = (text) => (body += text);
      const { end } = response;
      response.end = () => response.writableEnded || (response.writeHead(200, headers), end.call(response, body));
    } else {
      response.writeHead(200, headers);
    }
    response.on("close", () => {
      clearTimeout(this.timer);
      clearInterval(this.timer);
      session.detach(this);
    });
    if (!isPolling) response.write("retry: 1000\n\n");
    const { interval } = session.server;
    this.timer = isPolling ? setTimeout(() => response.end(), interval) : setInterval(() => response.write(":\n\n"), interval);
  }
  event(fields, isLast) {
    if (this.response.writableEnded) return;
    this.response.write(fields + "\n\n");
    // Whatever waits leaves with this response.
    if (isLast && this.isPolling) setImmediate(() => this.response.end());
  }
  message(data, id) {
    if (Buffer.isBuffer(data)) this.event(`event: binary\nid: ${id}\ndata: ${data.toString("base64")}`, true);
    else if (/\r|^\0/.test(data)) this.event(`event: session\nid: ${id}\ndata: ${JSON.stringify({ text: data })}`, true);
    else this.event(`${data.split("\n").map((line) => `data: ${line}`).join("\n")}\nid: ${id}`, true);
  }
  control(object) {
    const isLast = "close" in object || "reconnect" in object || object.session?.resumed === false;
    this.event(`event: session\ndata: ${JSON.stringify(object)}`, isLast);
  }
  close(code, reason) {
    this.control({ close: { code, reason } });
    this.response.end();
  }
  replaced() {
    this.response.end();
  }
}

export class TestServer {
  sessions = new Map();
  violations = [];
  /** Requests and handshakes that arrived: their transports. */
  log = [];
  sockets = new Set();
  interval = 25_000;
  acks = true;
  /** How soon after a poll the next one has to follow, in milliseconds. */
  grace = 1000;
  maxBody = 1_048_576;
  /** What the server refuses: "websocket", "events", "polling", "post". */
  refuses = new Set();
  /** Transports whose connections open but pass nothing. */
  swallows = new Set();
  /** "none": a server without the session protocol; "echo": one that also selects whatever is offered first. */
  plain = null;

  static async start(options = {}) {
    const server = Object.assign(new TestServer(), options);
    server.http = createServer((request, response) => server.request(request, response));
    server.http.on("connection", (socket) => {
      server.sockets.add(socket);
      socket.on("close", () => server.sockets.delete(socket));
    });
    server.ws = new WebSocketServer({
      noServer: true,
      handleProtocols: (offered) => server.select([...offered]),
    });
    server.http.on("upgrade", (request, socket, head) => server.upgrade(request, socket, head));
    await new Promise((done) => server.http.listen(options.port ?? 0, "127.0.0.1", done));
    server.port = server.http.address().port;
    server.url = `ws://127.0.0.1:${server.port}/chat?room=1`;
    return server;
  }

  async stop() {
    this.sessions.clear();
    for (const socket of this.sockets) socket.destroy();
    await new Promise((done) => this.http.close(done));
  }

  /** Cuts all TCP connections. */
  cut() {
    for (const socket of this.sockets) reset(socket);
  }

  select(offered) {
    if (this.plain === "none") return offered.find((one) => one === this.subprotocol) ?? false;
    return this.plain === "echo" ? offered[0] : SUBPROTOCOL;
  }

  find(token, received) {
    const found = this.sessions.get(token);
    return { session: found ?? new Session(this), resumed: !!found, received: found ? received : 0 };
  }

  upgrade(request, socket, head) {
    const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((one) => one.trim());
    this.log.push(this.plain || !offered.includes(SUBPROTOCOL) ? "plain" : "websocket");
    this.onhandshake?.(request, offered);
    if (this.refuses.has("websocket")) return socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    this.ws.handleUpgrade(request, socket, head, (ws) => {
      if (this.swallows.has("websocket")) return;
      if (this.plain || !offered.includes(SUBPROTOCOL)) return this.onplain?.(ws, offered);
      const [, token, received] = /^ws-core\.resume\.([\w-]{22})\.(\d+)$/.exec(offered.at(-1)) ?? [];
      this.carry(ws, this.find(token, Number(received)));
    });
  }

  carry(ws, { session, resumed, received }) {
    const carrier = new SocketCarrier(ws);
    session.attach(carrier, resumed, received);
    ws.on("message", (data, isBinary) => {
      if (session.carrier !== carrier) return;
      const text = isBinary ? data : data.toString();
      if (isBinary || text[0] !== "\0") return session.accept(text);
      const object = JSON.parse(text.slice(1));
      if ("ack" in object) session.acknowledge(object.ack);
      else if ("ping" in object) this.deaf || session.control({ pong: object.ping });
      else if ("text" in object) session.accept(object.text);
      else session.violation(`control object ${text}`);
    });
    ws.on("close", (code, reason) => {
      const carries = session.carrier === carrier;
      session.detach(carrier);
      // 1006: no close frame.
      if (carries && code !== 1006) session.ended(code, reason.toString());
    });
  }

  request(request, response) {
    const token = request.headers["ws-core-session"];
    const kind = request.method === "POST" ? "post"
      : request.headers.accept === "text/event-stream" ? "events" : "polling";
    this.log.push(kind);
    this.onrequest?.(request, kind);
    const refuse = (status) => response.writeHead(status, { "content-type": "text/plain" }).end("refused\n");
    if (this.plain) return refuse(426);
    if (this.refuses.has(kind)) return refuse(this.status ?? 404);
    if (this.swallows.has(kind)) return;
    if (kind === "post") return this.post(request, response, token, refuse);
    if (!token) return this.violations.push("no session header"), refuse(400);
    const found = this.find(token, Number(request.headers["last-event-id"]));
    found.session.attach(new ResponseCarrier(found.session, response, kind === "polling"), found.resumed, found.received);
  }

  async post(request, response, token, refuse) {
    const chunks = [];
    try {
      for await (const chunk of request) chunks.push(chunk);
    } catch {
      return;
    }
    const body = Buffer.concat(chunks);
    if (request.headers["content-type"] !== "application/json") return this.violations.push("type"), refuse(415);
    if (body.length > this.maxBody) return refuse(413);
    const session = this.sessions.get(token);
    if (!session) return refuse(410);
    // Between two polls, the next one carries the messages.
    const isBetween = session.isPolled && !session.carrier && Date.now() < session.detachedAt + this.grace;
    if (!isBetween && !(session.carrier instanceof ResponseCarrier)) return refuse(409);
    if (session.isPosting) this.violations.push("two POSTs at a time");
    session.isPosting = true;
    const { first, messages = [], ack, close } = JSON.parse(body);
    if (messages.length && first > session.received + 1) {
      session.isPosting = false;
      return refuse(409);
    }
    if (ack !== undefined) session.acknowledge(ack);
    messages.forEach((message, index) => {
      if (first + index <= session.received) return;
      session.accept(typeof message === "string" ? message : Buffer.from(message.binary, "base64"));
    });
    await this.slow;
    session.isPosting = false;
    if (close) {
      const { code } = close, { carrier } = session;
      const isSendable = code <= 1003 || (code >= 1007 && code <= 1014) || (code >= 3000 && code < 5000);
      if (code !== undefined && !(code >= 1000 && isSendable)) this.violations.push(`close with ${code}`);
      session.ended(close.code, close.reason);
      carrier?.close(close.code, close.reason);
    }
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ received: session.received }));
  }
}
