import { Session, TAKEN_OVER, address, check } from "./session.js";
import { openHttp, openWebSocket } from "./transports.js";

const CONNECTING = 0, OPEN = 1, CLOSING = 2, CLOSED = 3;

const DEFAULTS = {
  transports: ["websocket", "events", "polling", "plain"],
  connectTimeout: 8000,
  minDelay: 1000,
  maxDelay: 30_000,
  maxAttempts: Infinity,
  maxQueue: 16_777_216,
  pingInterval: 25_000,
  pongTimeout: 10_000,
  retryCodes: [1001, 1011, 1012, 1013, 1014, 1015],
  closeOnReset: false,
  credentials: "same-origin",
};

/** Attempts after a loss for the transport that worked, before the others are tried as well. */
const LOYAL_ATTEMPTS = 2;

/** Received messages, and milliseconds, until they are acknowledged. */
const ACK_MESSAGES = 128, ACK_DELAY = 5000;

/** The longest delay that a server can set, in milliseconds. */
const MAX_HINT = 3_600_000;

/** The codes of `close` events that this class makes by itself. */
const ABNORMAL = 1006, QUEUE_FULL = 4901, PROTOCOL_ERROR = 4902, UNREADABLE = 4903;

const encoder = new TextEncoder();
const byteLength = (text) => encoder.encode(text).length;

/** A WebSocket that falls back to HTTP, reconnects, and resumes its session. README.md describes the differences. */
export class SessionSocket extends EventTarget {
  #options;
  #session;
  #state = CONNECTING;
  #protocol = "";
  #extensions = "";
  /** Bytes of messages that were sent after `close`. */
  #discarded = 0;
  #listeners = new AbortController();

  /** The connection that is tried or carries the session, its transport, and whether it carries the session. */
  #link = null;
  #name;
  #isAttached = false;
  /** Whether the server does not speak the session protocol. */
  #isPlain = false;
  /** When a connection was attached last. */
  #since;

  /** The transport that worked last, here or in an earlier page. */
  #worked;
  /** The number of attempts since the last connection that lived, and the transports that remain in this one. */
  #attempt = 0;
  #round = [];
  /** Timer of the next attempt, of the deadline of this one, or of the close handshake. */
  #timer;
  /** Whether the timer is that of an attempt that may begin earlier. */
  #isWaiting = false;
  /** The delay that the server has set for the next attempt. */
  #hint;
  /** Whether another connection took over from the last one. */
  #isTakenOver = false;

  #watchdog;
  /** When something arrived last, and when a ping was sent after that, or 0. */
  #heard = 0;
  #probed = 0;
  #ackTimer;
  #unackedBytes = 0;

  binaryType = "blob";

  static {
    for (const [name, value] of Object.entries({ CONNECTING, OPEN, CLOSING, CLOSED })) {
      for (const target of [this, this.prototype]) Object.defineProperty(target, name, { value, enumerable: true });
    }
    for (const type of ["open", "message", "error", "close", "reconnecting", "resumed", "reset"]) {
      const handlers = new WeakMap();
      Object.defineProperty(this.prototype, "on" + type, {
        enumerable: true,
        configurable: true,
        get() {
          return handlers.get(this) ?? null;
        },
        set(handler) {
          const old = handlers.get(this);
          if (old) this.removeEventListener(type, old);
          handlers.delete(this);
          if (typeof handler !== "function") return;
          handlers.set(this, handler);
          this.addEventListener(type, handler);
        },
      });
    }
  }

  static with(defaults) {
    return class extends this {
      constructor(url, protocols, options) {
        super(url, protocols, { ...defaults, ...options });
      }
    };
  }

  constructor(url, protocols = [], options = {}) {
    super();
    const list = [protocols].flat().map(String);
    check(list.every((one) => /^[!#$%&'*+.^`|~\w-]+$/.test(one)) && new Set(list).size === list.length,
      "SyntaxError", "invalid subprotocols");
    this.#options = { ...DEFAULTS, ...options };
    this.#session = new Session(address(url), list, this.#options);
    try {
      this.#worked = sessionStorage.getItem(this.#key);
    } catch {
      // Not in a page, or not allowed.
    }
    const { document } = globalThis;
    const listen = (type, listener, target = globalThis) => target.addEventListener?.(type, listener, this.#listeners);
    listen("online", () => this.#wake());
    if (document) listen("visibilitychange", () => document.hidden || this.#wake(), document);
    listen("pagehide", ({ persisted }) => {
      // The browser itself closes a WebSocket.
      if (!persisted && this.#isAttached && !this.#link.ping) this.#link.leave(1001, "");
    });
    this.#connect();
  }

  get url() {
    return this.#session.url;
  }

  get readyState() {
    return this.#state;
  }

  get protocol() {
    return this.#protocol;
  }

  get extensions() {
    return this.#extensions;
  }

  get transport() {
    return this.#isAttached ? this.#name : null;
  }

  get bufferedAmount() {
    const { queue, first, last } = this.#session;
    return queue.slice(last + 1 - first).reduce((sum, { size }) => sum + size, this.#discarded + (this.#link?.buffered() ?? 0));
  }

  send(data) {
    const session = this.#session, entry = {};
    if (data instanceof Blob) {
      entry.blob = data;
      entry.size = data.size;
    } else {
      // A copy, because the caller may change the bytes.
      if (ArrayBuffer.isView(data)) {
        entry.data = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice().buffer;
      } else if (data instanceof ArrayBuffer) entry.data = data.slice();
      else entry.data = `${data}`.toWellFormed?.() ?? `${data}`;
      entry.size = entry.data.byteLength ?? byteLength(entry.data);
    }
    if (this.#state > OPEN) {
      this.#discarded += entry.size;
      return;
    }
    session.size += entry.size;
    if (session.size > this.#options.maxQueue) return this.#fail(QUEUE_FULL, "queue full");
    session.queue.push(entry);
    this.#flush();
    entry.blob?.arrayBuffer().then((buffer) => {
      entry.data = buffer;
      this.#flush();
    }, () => session.queue.includes(entry) && this.#fail(UNREADABLE, "unreadable Blob"));
  }

  close(code, reason = "") {
    check(code === undefined || code === 1000 || (code >= 3000 && code < 5000), "InvalidAccessError", "invalid code");
    check(byteLength(reason) < 124, "SyntaxError", "reason too long");
    if (this.#state > OPEN) return;
    if (!this.#isAttached) return this.#fail(ABNORMAL, "");
    this.#state = CLOSING;
    this.#session.closing = code === undefined ? [] : [code, `${reason}`];
    this.#timer = setTimeout(() => this.#fail(ABNORMAL, ""), this.#options.pongTimeout);
    this.#flush();
  }

  get #key() {
    return "ws-core " + this.url.split("?")[0];
  }

  #fire(type, init, Class) {
    this.dispatchEvent(Class ? new Class(type, init) : Object.assign(new Event(type), init));
  }

  #flush() {
    if (this.#isAttached) this.#link.flush();
  }

  // An attempt tries the transports one after another.
  #connect() {
    const { transports } = this.#options, worked = this.#worked;
    this.#isWaiting = false;
    this.#round = !transports.includes(worked) ? [...transports]
      : [worked, ...transports.filter((name) => name !== worked && (!this.#attempt || this.#attempt > LOYAL_ATTEMPTS))];
    this.#open();
  }

  #open() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lost(), this.#options.connectTimeout);
    const session = this.#session, name = this.#name = this.#round.shift();
    const link = this.#link = { sent: 0, acked: session.received, isAckDue: false };
    // Callbacks of an earlier connection do nothing.
    const current = (callback) => (...args) => {
      if (this.#link === link) callback.apply(this, args);
    };
    const on = {
      alive: current(() => {
        this.#heard = Date.now();
        this.#probed = 0;
      }),
      control: current(this.#control),
      message: current(this.#message),
      sent: current((number) => (session.last = Math.max(session.last, number))),
      acknowledged: current(this.#acknowledged),
      plain: current(this.#plain),
      lost: current(() => this.#lost()),
      closed: current(this.#closed),
      failed: current(this.#fail),
    };
    try {
      const isPolling = name === "polling";
      if (isPolling || name === "events") openHttp(session, link, on, isPolling);
      else openWebSocket(session, link, on, name === "plain");
    } catch {
      // There is no such class, or a policy of the page forbids the address.
      this.#lost();
    }
  }

  #lost() {
    const wasAttached = this.#isAttached;
    this.#drop();
    if (this.#state === CLOSING) return this.#finish(ABNORMAL, "", false);
    if (wasAttached) this.#isTakenOver = false;
    else if (this.#round.length) return this.#open();
    const { minDelay, maxDelay, maxAttempts, closeOnReset } = this.#options, hint = this.#hint;
    if (wasAttached && closeOnReset && this.#isPlain) return this.#finish(ABNORMAL, "", false);
    if (wasAttached && Date.now() - this.#since > minDelay) this.#attempt = 0;
    if (this.#attempt >= maxAttempts) return this.#finish(ABNORMAL, "too many attempts", false);
    this.#attempt++;
    this.#hint = undefined;
    this.#isWaiting = hint === undefined;
    const delay = hint ?? Math.random() * Math.min(maxDelay, minDelay * 2 ** (this.#attempt - 1));
    this.#timer = setTimeout(() => this.#connect(), delay);
    this.#fire("reconnecting", { attempt: this.#attempt, delay });
  }

  #wake() {
    if (this.#isWaiting) this.#connect();
    else if (this.#isAttached) this.#probe();
  }

  // What a connection reports.

  #control(json, number) {
    let object;
    try {
      object = JSON.parse(json);
    } catch {
      // Malformed, like other values that are no object.
    }
    const entries = Object.entries(object ?? {});
    if (entries.length !== 1 || Array.isArray(object)) return this.#violated();
    const [[name, value]] = entries;
    if (name === "session") this.#begin(value ?? {});
    else if (!this.#isAttached) this.#lost();
    else if (name === "text") this.#message(`${value}`, number);
    else if (name === "ack") this.#acknowledged(value);
    else if (name === "reconnect") this.#hint = Math.min(+value, MAX_HINT) || 0;
    else if (name === "close") this.#closed(value?.code, value?.reason, true);
  }

  #begin({ token, resumed, received, buffer, interval, subprotocol = "" }) {
    const session = this.#session;
    session.token = token;
    session.buffer = buffer ?? session.buffer;
    session.interval = interval ?? session.interval;
    this.#isPlain = false;
    if (resumed && !session.acknowledge(received)) this.#violated();
    // Each poll begins with the object.
    else if (!resumed || !this.#isAttached) this.#attach(resumed, subprotocol, "");
  }

  #plain(protocol, extensions) {
    this.#session.token = undefined;
    this.#isPlain = true;
    this.#attach(false, protocol, extensions);
  }

  #attach(isResumed, protocol, extensions) {
    const session = this.#session, isFirst = this.#state === CONNECTING, isClosing = this.#state === CLOSING;
    clearTimeout(this.#timer);
    this.#isAttached = true;
    this.#since = this.#heard = Date.now();
    this.#worked = this.#name;
    for (const close of session.stale) close();
    session.stale.clear();
    try {
      sessionStorage.setItem(this.#key, this.#name);
    } catch {
      // Not in a page, or not allowed.
    }
    if (!isResumed) [this.#protocol, this.#extensions] = [protocol, extensions];
    this.#watch();
    if (isFirst) {
      this.#state = OPEN;
      this.#fire("open");
    } else if (isResumed) {
      this.#fire("resumed");
    } else {
      const unacknowledged = session.reset();
      this.#link.sent = this.#link.acked = 0;
      this.#fire("reset", { unacknowledged });
      if (this.#options.closeOnReset || isClosing) return this.#fail(ABNORMAL, "session lost");
    }
    this.#flush();
  }

  #message(data, number = this.#session.received + 1) {
    const session = this.#session;
    if (!this.#isAttached) return this.#lost();
    if (!this.#isPlain) {
      if (number <= session.received) return;
      if (number !== session.received + 1) return this.#lost();
      session.received = number;
      this.#unackedBytes += data.byteLength ?? data.length * 3;
      if (number - this.#link.acked >= ACK_MESSAGES || this.#unackedBytes * 4 >= session.buffer) this.#acknowledge();
      else this.#ackTimer ??= setTimeout(() => this.#acknowledge(), ACK_DELAY);
    }
    if (this.#state !== OPEN) return;
    if (typeof data !== "string" && this.binaryType === "blob") data = new Blob([data]);
    this.#fire("message", { data, origin: new URL(this.url).origin }, MessageEvent);
  }

  #acknowledge() {
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    this.#unackedBytes = 0;
    this.#link.isAckDue = this.#session.received > this.#link.acked;
    this.#flush();
  }

  #acknowledged(number) {
    if (!this.#session.acknowledge(number)) this.#violated();
  }

  #closed(code, reason, wasClean) {
    const { retryCodes, closeOnReset } = this.#options;
    // A request of this socket that arrives late takes the session over once. Another client would do so again.
    const isLate = code === TAKEN_OVER && !this.#isTakenOver;
    const isDetached = isLate || (code === 1012 && this.#hint !== undefined);
    if (this.#state === CLOSING || (!isDetached && (closeOnReset || !retryCodes.includes(code)))) {
      this.#finish(code, reason, wasClean);
    } else {
      this.#lost();
      this.#isTakenOver = isLate;
    }
  }

  // Detects a connection that is dead without an end.

  #watch() {
    const { pingInterval, pongTimeout } = this.#options, { ping } = this.#link;
    clearTimeout(this.#watchdog);
    if (this.#isPlain) return;
    const limit = ping ? pingInterval : this.#session.interval + pongTimeout;
    const left = (this.#probed ? this.#probed + pongTimeout : this.#heard + limit) - Date.now();
    if (left > 0) this.#watchdog = setTimeout(() => this.#watch(), left);
    else if (ping && !this.#probed) this.#probe();
    else this.#lost();
  }

  #probe() {
    const { ping } = this.#link;
    if (!ping || this.#probed || this.#isPlain) return;
    this.#probed = Date.now();
    ping();
    this.#watch();
  }

  // The end.

  #violated() {
    this.#fail(PROTOCOL_ERROR, "protocol error");
  }

  /** Ends the session, and tells the server if a connection carries the session. */
  #fail(code, reason) {
    if (this.#state === CLOSED) return;
    this.#state = CLOSING;
    // 1006 is never sent.
    if (this.#isAttached) this.#link.leave(code === ABNORMAL ? 1000 : code, reason);
    this.#drop();
    setTimeout(() => this.#finish(code, reason, false, code !== ABNORMAL));
  }

  /** A connection that was open and is lost is no error, as for WebSockets. Some libraries give up after an error. */
  #finish(code, reason, wasClean, isError) {
    if (this.#state === CLOSED) return;
    this.#state = CLOSED;
    this.#drop();
    for (const close of this.#session.stale) close();
    this.#listeners.abort();
    if (isError || this.#since === undefined) this.#fire("error");
    this.#fire("close", { code, reason, wasClean }, globalThis.CloseEvent);
  }

  #drop() {
    for (const timer of [this.#timer, this.#watchdog, this.#ackTimer]) clearTimeout(timer);
    const link = this.#link;
    this.#link = this.#ackTimer = null;
    this.#isAttached = this.#isWaiting = false;
    this.#probed = this.#unackedBytes = 0;
    link?.drop?.();
  }
}

export default SessionSocket;
