// The part that clients share which are generated from a contract. contract.d.ts documents the exports.

import { mismatch } from "./schema.js";
import { fill, match } from "./template.js";
import { SessionSocket } from "./ws-core.js";

/** Milliseconds that a call waits for its answer. */
const TIMEOUT = 60_000;

/** The longest delay of a timer in milliseconds. */
const MAX_DELAY = 2 ** 31 - 1;

const METHOD_NOT_FOUND = -32601, INVALID_PARAMS = -32602, INTERNAL = -32603;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

export class CallError extends Error {
  static {
    this.prototype.name = "CallError";
  }

  constructor(code, message, data) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

export class DisconnectedError extends Error {
  static {
    this.prototype.name = "DisconnectedError";
  }

  constructor(reason, close) {
    super(reason === "reset" ? "a new handler has taken the connection" : `the connection is closed (${close.code})`);
    this.reason = reason;
    this.close = close;
  }
}

export class ContractError extends Error {
  static {
    this.prototype.name = "ContractError";
  }

  constructor(kind, message, { subject, received, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.subject = subject;
    this.received = received;
  }
}

/** Functions for generated code. They are no methods, because calls of the contract may have any name. */
export let connect, call, send, isErrorOf;

export class Client {
  #contract;
  #options;
  #socket;
  /** The calls and messages of both sides by name. */
  #clientCalls;
  #clientMessages;
  #serverCalls;
  #serverMessages;
  /** The calls that wait for an answer: functions that take `(error, result)`. */
  #pending = new Map();
  #lastId = 0;
  #handlers = new Map();
  /** The listeners for each message, and for each event by its symbol. */
  #listeners = new Map();
  /** Aborted when the handler of the server is another one, or there is none any more. */
  #current = new AbortController();
  /** Frames that arrive before the code after `await connect` has run, then nothing. */
  #held = [];
  #opened;
  #closeInfo;

  static {
    connect = (client) => client.#opened;
    call = (client, name, values, options) => client.#call(name, values, options);
    send = (client, name, values) => client.#send(name, values);
    isErrorOf = (contract, name, error) => {
      // Methods of several states may have one name.
      const calls = (contract.client?.calls ?? []).filter((one) => one.name === name);
      const declared = calls.flatMap(({ errors = [] }) => errors);
      return error instanceof CallError && declared.some(({ code, data }) => code === error.code
        && (data === undefined || !mismatch(data, error.data ?? null, contract.schemas ?? {}, "data")));
    };
  }

  constructor(contract, url, parameters, options = {}) {
    const { handlers = {}, timeout, signal, protocols = contract.subprotocols ?? [], ...socketOptions } = options;
    // Generated methods have names of their own, where that of the contract is taken.
    const byName = (list = []) => new Map([...list].reverse().map((one) => [one.method ?? one.name, one]));
    this.#contract = contract;
    this.#options = { timeout: timeout ?? TIMEOUT };
    this.#clientCalls = byName(contract.client?.calls);
    this.#clientMessages = byName(contract.client?.messages);
    this.#serverCalls = byName(contract.server?.calls);
    this.#serverMessages = byName(contract.server?.messages);
    for (const [name, handler] of Object.entries(handlers)) if (handler) this.handle(name, handler);
    signal?.throwIfAborted();
    // Without sessions at the server, the other transports could only fail.
    const transports = contract.session ? {} : { transports: ["plain"] };
    const socket = this.#socket = new SessionSocket(addressOf(contract, url, parameters), protocols, { ...transports, ...socketOptions });
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => this.#held ? this.#held.push(data) : this.#receive(data));
    socket.addEventListener("reset", ({ unacknowledged }) => this.#reset(unacknowledged));
    socket.addEventListener("resumed", () => this.#emit(RESUMED));
    socket.addEventListener("reconnecting", ({ attempt, delay }) => this.#emit(RECONNECTING, { attempt, delay }));
    this.closed = new Promise((resolve) => socket.addEventListener("close", (event) => resolve(this.#close(event))));
    this.#opened = this.#open(signal);
    // Only `connect` reports the failure.
    this.#opened.catch(() => {});
  }

  get socket() {
    return this.#socket;
  }

  on(name, listener) {
    if (!this.#serverMessages.has(name)) throw new TypeError(`the server sends no message "${name}"`);
    return this.#listen(name, listener);
  }

  handle(name, handler) {
    if (!this.#serverCalls.has(name)) throw new TypeError(`the server does not call "${name}"`);
    this.#handlers.set(name, handler);
    return () => {
      if (this.#handlers.get(name) === handler) this.#handlers.delete(name);
    };
  }

  onError(listener) {
    return this.#listen(ERROR, listener);
  }

  onReset(hook) {
    return this.#listen(RESET, async (event) => {
      try {
        await hook(event);
      } catch (cause) {
        this.#report("hook", "a function for onReset has failed", { cause });
      }
    });
  }

  onResumed(listener) {
    return this.#listen(RESUMED, listener);
  }

  onReconnecting(listener) {
    return this.#listen(RECONNECTING, listener);
  }

  close(code = 1000, reason) {
    this.#socket.close(code, reason);
    return this.closed;
  }

  #listen(name, listener) {
    if (typeof listener !== "function") throw new TypeError("the listener is no function");
    // The same function may be added twice.
    const entry = { listener };
    if (!this.#listeners.has(name)) this.#listeners.set(name, new Set());
    this.#listeners.get(name).add(entry);
    return () => void this.#listeners.get(name).delete(entry);
  }

  /** Calls the listeners. What one throws is reported as uncaught, as for an `EventTarget`. */
  #emit(name, value) {
    for (const { listener } of [...this.#listeners.get(name) ?? []]) {
      try {
        listener(value);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  #report(kind, text, details) {
    const error = new ContractError(kind, `${this.#contract.name}: ${text}`, details);
    if (this.#listeners.get(ERROR)?.size) this.#emit(ERROR, error);
    else console.warn(error);
  }

  // The connection.

  async #open(signal) {
    const socket = this.#socket;
    await new Promise((resolve, reject) => {
      const abort = () => {
        reject(signal.reason);
        socket.close();
      };
      signal?.addEventListener("abort", abort);
      const stop = () => signal?.removeEventListener("abort", abort);
      socket.addEventListener("open", () => (stop(), resolve()), { once: true });
      this.closed.then((close) => (stop(), reject(new DisconnectedError("closed", close))));
    });
    // A task of its own, so that the code after `await connect` adds its listeners first.
    setTimeout(() => this.#release(), 0);
    return this;
  }

  #release() {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const data of held) this.#receive(data);
  }

  #reset(unacknowledged) {
    this.#abandon(new DisconnectedError("reset"));
    this.#current = new AbortController();
    this.#emit(RESET, { unacknowledged });
  }

  #close({ code, reason, wasClean }) {
    this.#release();
    this.#closeInfo = { code, reason, wasClean };
    this.#abandon(new DisconnectedError("closed", this.#closeInfo));
    return this.#closeInfo;
  }

  #abandon(error) {
    for (const settle of [...this.#pending.values()]) settle(error);
    this.#current.abort(error);
  }

  #transmit(data) {
    if (this.#closeInfo) throw new DisconnectedError("closed", this.#closeInfo);
    const limit = this.#contract.limits?.max_message_size ?? Infinity;
    const size = typeof data !== "string" ? data.byteLength
      : data.length * 3 > limit ? encoder.encode(data).length : 0;
    if (size > limit) throw new RangeError(`the message has ${size} bytes, and the server takes ${limit}`);
    this.#socket.send(data);
  }

  // What the client sends.

  #call(method, values, { timeout = this.#options.timeout, signal } = {}) {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const declared = this.#clientCalls.get(method), { name } = declared;
      const params = this.#write(name, declared.content, values);
      const id = this.#lastId + 1;
      this.#transmit(this.#fill("call", { id, name, params }));
      this.#lastId = id;
      let timer;
      const abort = () => settle(signal.reason);
      const settle = (error, result) => {
        this.#pending.delete(id);
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        if (error !== undefined) return reject(error);
        const difference = this.#mismatch(declared.result, result, "the result");
        if (difference) reject(this.#wrongType(name, difference, result));
        // A call without a result has `null` in its answer.
        else resolve(declared.result.type === "null" ? undefined : result);
      };
      this.#pending.set(id, settle);
      signal?.addEventListener("abort", abort);
      if (timeout <= MAX_DELAY) {
        timer = setTimeout(() => settle(new DOMException(`no answer to ${name} within ${timeout} ms`, "TimeoutError")), timeout);
      }
    });
  }

  #send(method, values) {
    const { name, frame, content } = this.#clientMessages.get(method);
    if (frame === "envelope") {
      const params = this.#write(name, content, values);
      this.#transmit(this.#fill("message", { name, params }));
    } else {
      const data = content.kind === "raw" ? values[0] : JSON.stringify(this.#write(name, content, values) ?? null);
      this.#transmit(frame === "binary" && typeof data === "string" ? encoder.encode(data) : data);
    }
  }

  /** Returns a message of the envelope. An envelope may have no form for some. */
  #fill(form, values) {
    const template = this.#contract.envelope?.[form] ?? null;
    if (template === null) throw new TypeError(`${this.#contract.name}: the envelope has no form for a ${form}`);
    return JSON.stringify(fill(template, values));
  }

  /** Returns the parameters of a call or a message as JSON. */
  #write(name, { kind, parameters, schema }, values) {
    const check = (part, value, path) => {
      const difference = this.#mismatch(part, value, path);
      if (difference) throw new (difference.isRange ? RangeError : TypeError)(`${name}: ${difference.text}`);
    };
    if (kind === "parameters") {
      return Object.fromEntries(parameters.flatMap((parameter, index) => {
        const value = values[index];
        if (value === undefined && parameter.is_optional) return [];
        if (value === undefined) throw new TypeError(`${name}: ${parameter.name} is missing`);
        check(parameter.schema, value, parameter.name);
        return [[parameter.name, value]];
      }));
    }
    if (kind !== "json") return undefined;
    const value = values[0] ?? null;
    check(schema, value, "the value");
    if (this.#contract.envelope?.format.kind !== "json_rpc") return value;
    // JSON-RPC has objects and arrays only.
    return typeof value === "object" ? value ?? undefined : [value];
  }

  #mismatch(schema, value, path) {
    try {
      return mismatch(schema, value, this.#contract.schemas ?? {}, path);
    } catch {
      // The stack has ended.
      return { text: `${path} is nested too deep`, isRange: true };
    }
  }

  #wrongType(name, { text }, received) {
    return new ContractError("wrong_type", `${this.#contract.name}: ${name}: ${text}`, { subject: name, received });
  }

  // What the server sends.

  #receive(data) {
    const { envelope } = this.#contract;
    const isOpened = envelope && typeof data === "string" && this.#receiveNamed(envelope, data);
    if (!isOpened) this.#receiveFrame(data);
  }

  /** Returns whether the text is a message of the envelope. */
  #receiveNamed(envelope, text) {
    const message = parse(text);
    if (message === undefined) return false;
    const called = match(envelope.call, message), sent = match(envelope.message, message);
    if (called && this.#serverCalls.has(called.name)) return this.#serve(called), true;
    if (sent && this.#serverMessages.get(sent.name)?.frame === "envelope") return this.#dispatch(sent), true;
    if (called) {
      this.#answerError(called.id, METHOD_NOT_FOUND, "Method not found");
      this.#report("unknown_message", `unknown call "${called.name}"`, { subject: called.name, received: message });
      return true;
    }
    const answer = match(envelope.result, message) ?? match(envelope.error, message, true);
    if (answer) return this.#settle(answer, message), true;
    if (!sent) return false;
    this.#report("unknown_message", `unknown message "${sent.name}"`, { subject: sent.name, received: message });
    return true;
  }

  #settle({ id, result, code, message, data }, received) {
    const number = typeof id === "string" ? Number(id) : id;
    const error = result !== undefined ? undefined
      : new CallError(Number.isInteger(code) ? code : INTERNAL, typeof message === "string" ? message : "no text", data);
    const settle = this.#pending.get(number);
    if (settle) settle(error, result);
    // Other answers come too late: after a timeout, or after a new handler took the connection.
    else if (!(Number.isSafeInteger(number) && number > 0 && number <= this.#lastId)) {
      this.#report("unknown_answer", "an answer to no call", { received, cause: error });
    }
  }

  #dispatch({ name, params }) {
    const { value, difference } = this.#read(this.#serverMessages.get(name).content, params);
    if (difference) this.#reportWrongType(name, difference, params);
    else this.#emit(name, value);
  }

  async #serve({ id, name, params }) {
    const declared = this.#serverCalls.get(name), handler = this.#handlers.get(name), { signal } = this.#current;
    // A later handler of the server has not called.
    const isGone = () => signal.aborted || this.#closeInfo !== undefined;
    if (!handler) return void this.#answerError(id, METHOD_NOT_FOUND, "Method not found");
    const { value, difference } = this.#read(declared.content, params);
    if (difference) {
      this.#answerError(id, INVALID_PARAMS, "Invalid params", difference.text);
      return this.#reportWrongType(name, difference, params);
    }
    try {
      const result = (await handler(value, { signal })) ?? null;
      const wrong = this.#mismatch(declared.result, result, "the result");
      if (wrong) throw new (wrong.isRange ? RangeError : TypeError)(`${name}: ${wrong.text}`);
      if (!isGone()) this.#transmit(this.#fill("result", { id, result }));
    } catch (cause) {
      if (cause instanceof CallError && (isGone() || this.#answerError(id, cause.code, cause.message, cause.data))) return;
      if (!isGone()) this.#answerError(id, INTERNAL, "Internal error");
      this.#report("handler", `the handler of "${name}" has failed`, { subject: name, cause });
    }
  }

  /** Returns whether the answer was sent: not if its data is not JSON, and not if it is too big. */
  #answerError(id, code, message, data) {
    try {
      this.#transmit(this.#fill("error", { id, code, message, data }));
      return true;
    } catch {
      return false;
    }
  }

  #reportWrongType(name, { text }, received) {
    this.#report("wrong_type", `${name}: ${text}`, { subject: name, received });
  }

  /** Returns the value of a message's parameters, or how they differ from the type. */
  #read({ kind, parameters, schema }, params) {
    if (kind === "nothing") return {};
    if (kind === "parameters") {
      const value = !Array.isArray(params) ? params ?? {}
        : Object.fromEntries(params.slice(0, parameters.length).map((item, index) => [parameters[index].name, item]));
      const required = parameters.filter((one) => !one.is_optional).map((one) => one.name);
      const properties = Object.fromEntries(parameters.map((one) => [one.name, one.schema]));
      return { value, difference: this.#mismatch({ type: "object", properties, required }, value, "the parameters") };
    }
    const value = params ?? null, difference = this.#mismatch(schema, value, "the value");
    if (!difference) return { value };
    // JSON-RPC wraps other values than objects and arrays. Without a member for the content, null has no members.
    const others = Array.isArray(value) && value.length === 1 ? value
      : value && !Array.isArray(value) && typeof value === "object" && !Object.keys(value).length ? [null] : [];
    const other = others.find((one) => !this.#mismatch(schema, one, "the value"));
    return other === undefined ? { difference } : { value: other };
  }

  /** Dispatches a message without an envelope. It is each of the messages whose type it has. */
  #receiveFrame(data) {
    const frame = typeof data === "string" ? "text" : "binary";
    const declared = [...this.#serverMessages.values()].filter((one) => one.frame === frame);
    const differences = [];
    let isKnown = false;
    for (const { name, content } of declared) {
      let value = frame === "text" ? data : new Uint8Array(data), difference;
      if (content.kind !== "raw") {
        value = parse(data);
        difference = value === undefined ? { text: "the message is not JSON" } : this.#mismatch(content.schema, value, "the value");
      }
      if (difference) differences.push([name, difference]);
      else {
        isKnown = true;
        this.#emit(name, value);
      }
    }
    if (isKnown) return;
    if (differences.length === 1) return this.#reportWrongType(...differences[0], data);
    const kind = differences.length ? "wrong_type" : "unknown_message";
    this.#report(kind, differences.length ? `a ${frame} message of no known type` : `an unknown ${frame} message`, { received: data });
  }
}

/** The events beside the server's messages, which may have any name. */
const ERROR = Symbol("error"), RESET = Symbol("reset"), RESUMED = Symbol("resumed"), RECONNECTING = Symbol("reconnecting");

/** Returns the JSON of a message, or nothing if it is not JSON. */
function parse(data) {
  try {
    return JSON.parse(typeof data === "string" ? data : decoder.decode(data));
  } catch {
    return undefined;
  }
}

/** Returns the address of a handler below the address of the router. */
function addressOf({ name, path, path_parameters = [], query = [], schemas = {} }, url, parameters = {}) {
  const [base, extra] = `${url}`.split("#")[0].split(/\?(.*)/s);
  const valueOf = (parameter) => {
    const value = Object.hasOwn(parameters, parameter.name) ? parameters[parameter.name] ?? undefined : undefined;
    if (value === undefined && parameter.is_optional) return undefined;
    const difference = value === undefined ? { text: `${parameter.name} is missing` }
      : mismatch(parameter.schema, value, schemas, parameter.name);
    if (difference) throw new (difference.isRange ? RangeError : TypeError)(`${name}: ${difference.text}`);
    return `${value}`;
  };
  const filled = path.replace(/\{\{|\}\}|\{(\*?)([^{}]+)\}/g, (found, isRest, parameter) => {
    // Two braces stand for one.
    if (parameter === undefined) return encodeURIComponent(found[0]);
    const value = valueOf(path_parameters.find((one) => one.name === parameter) ?? { name: parameter, schema: { type: "string" } });
    // An address without such segments is another one.
    const segments = isRest ? value.split("/") : [value];
    if (!value || segments.some((segment) => segment === "." || segment === "..")) {
      throw new TypeError(`${name}: ${parameter} is empty, or has a segment "." or ".."`);
    }
    return segments.map(encodeURIComponent).join("/");
  });
  const search = new URLSearchParams(extra);
  for (const parameter of query) {
    const value = valueOf(parameter);
    if (value !== undefined) search.append(parameter.name, value);
  }
  const all = `${search}`;
  return base.replace(/\/$/, "") + filled + (all && `?${all}`);
}
