// The console: connects to a handler, sends what its contract has, and shows the messages of both sides.

import { addressOf } from "./address.js";
import { el } from "./dom.js";
import { classify, frameOf, hintOf, textOf } from "./frames.js";
import { Log } from "./log.js";

const decoder = new TextDecoder();

/** The choice for a message that is sent as it is written. */
const RAW = "raw";

export class Console {
  #endpoints;
  #endpoint;
  #socket;
  /** The calls that wait for an answer, by their ids as text: the item, and the time of the call. */
  #pending = new Map();
  #lastId = 0;
  /** The message for a connection that is not open yet. */
  #waiting;
  #log = new Log();
  #parts;

  constructor(endpoints, bases) {
    this.#endpoints = endpoints;
    const field = (text, control, attributes = {}) => el("label", attributes, el("span", {}, text), control);
    const parts = this.#parts = {
      toggle: el("button", { type: "button", class: "toggle", "aria-expanded": "false", "aria-controls": "console-body", onclick: () => this.#open(this.#parts.body.hidden) }, "Console"),
      status: el("span", { class: "status", role: "status" }),
      base: el("input", { type: "url", value: bases[0], list: "bases", required: true, spellcheck: "false", autocomplete: "off", oninput: () => this.#describe() }),
      endpoint: el("select", { onchange: ({ target }) => this.#select(this.#endpoints[target.selectedIndex]) },
        endpoints.map(({ handler }) => el("option", {}, `${handler.name}  ${handler.path}`))),
      parameters: el("div", { class: "fields" }),
      protocol: el("select", {}),
      address: el("code", { class: "target" }),
      connect: el("button", { type: "submit", class: "primary" }, "Connect"),
      item: el("select", { onchange: () => this.#fill() }),
      text: el("textarea", { rows: "6", spellcheck: "false", autocapitalize: "off", autocomplete: "off", "aria-describedby": "hint", oninput: () => this.#check(),
        onkeydown: (event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.form.requestSubmit();
        } }),
      hint: el("p", { id: "hint", class: "hint", role: "status" }),
      send: el("button", { type: "submit", class: "primary" }, "Send"),
      textLabel: el("span", {}, "Parameters"),
    };
    parts.protocolField = field("Subprotocol", parts.protocol);
    parts.setup = el("details", { class: "setup", open: true }, el("summary", {}, "Connection"),
      el("form", { onsubmit: (event) => (event.preventDefault(), this.#socket ? this.#disconnect() : this.#connect()) },
        field("Server", parts.base), el("datalist", { id: "bases" }, bases.map((value) => el("option", { value }))),
        field("Endpoint", parts.endpoint), parts.parameters, parts.protocolField,
        el("p", { class: "target-line" }, parts.address), parts.connect));
    parts.compose = el("form", { class: "compose", onsubmit: (event) => (event.preventDefault(), this.#submit()) },
      field("Message", parts.item), el("label", {}, parts.textLabel, parts.text), parts.hint,
      el("div", { class: "buttons" }, parts.send, el("span", { class: "muted keys" }, "Ctrl+Enter sends")));
    parts.body = el("div", { id: "console-body", hidden: true }, el("div", { class: "controls" }, parts.setup, parts.compose), this.#log.element);
    this.element = el("section", { class: "console", "aria-label": "Console" }, el("div", { class: "bar" }, parts.toggle, parts.status), parts.body);
    this.#status("Not connected", "closed");
    if (endpoints.length) this.#select(endpoints[0]);
    else this.element.hidden = true;
  }

  /** Opens the console with a handler. */
  show(handler) {
    this.#open(true);
    this.#select(this.#endpoints.find((endpoint) => endpoint.handler === handler));
    this.#parts.connect.focus();
  }

  /** Opens the console with a call or a message. */
  compose(item) {
    this.#open(true);
    this.#select(this.#endpoints.find(({ items }) => items.includes(item)));
    this.#parts.item.value = item.id;
    this.#fill();
    this.#parts.text.focus();
  }

  #open(isOpen) {
    this.#parts.body.hidden = !isOpen;
    this.#parts.toggle.setAttribute("aria-expanded", `${isOpen}`);
    document.body.classList.toggle("with-console", isOpen);
  }

  #select(endpoint) {
    if (endpoint === this.#endpoint) return;
    this.#socket?.close(1000);
    this.#endpoint = endpoint;
    const { handler, examples, items } = endpoint, parts = this.#parts;
    parts.endpoint.selectedIndex = this.#endpoints.indexOf(endpoint);
    const inputs = (list, values, place) => list.map(({ name, schema, is_optional }) => {
      const value = is_optional ? undefined : values[name];
      const control = Array.isArray(schema?.enum)
        ? el("select", {}, is_optional && el("option", { value: "" }, "none"), schema.enum.map((one) => el("option", {}, `${one}`)))
        : el("input", { value: value === undefined || value === null ? undefined : `${value}`, autocomplete: "off", spellcheck: "false" });
      control.dataset.name = name;
      control.addEventListener("input", () => this.#describe());
      return el("label", {}, el("span", {}, `${name} (${place}${is_optional ? ", optional" : ""})`), control);
    });
    parts.parameters.replaceChildren(...inputs(handler.path_parameters ?? [], examples.path, "path"), ...inputs(handler.query ?? [], examples.query, "query"));
    const protocols = handler.subprotocols ?? [];
    parts.protocol.replaceChildren(...protocols.map((name) => el("option", { value: name }, name)), el("option", { value: "" }, "none"));
    parts.protocolField.hidden = protocols.length === 0;
    const group = (label, kind) => {
      const found = items.filter((item) => item.side === "client" && item.kind === kind);
      return found.length > 0 && el("optgroup", { label }, found.map(({ id, name, contract }) =>
        el("option", { value: id }, contract.states?.length ? `${name} (in ${contract.states.join(", ")})` : name)));
    };
    parts.item.replaceChildren(...[group("Calls", "call"), group("Messages", "message"), el("option", { value: RAW }, "A text as it is")].filter(Boolean));
    this.#fill();
    this.#describe();
  }

  get #item() {
    return this.#endpoint.items.find(({ id }) => id === this.#parts.item.value);
  }

  /** Fills in the example of the chosen message. */
  #fill() {
    const item = this.#item, { text, textLabel } = this.#parts;
    const { content, frame } = item?.contract ?? { content: { kind: "raw" } };
    const hasContent = content.kind !== "nothing";
    text.parentElement.hidden = !hasContent;
    textLabel.textContent = content.kind === "parameters" ? "Parameters (JSON)" : content.kind === "json" ? "Value (JSON)"
      : frame === "binary" ? "Bytes (hexadecimal)" : "Text";
    if (!hasContent) text.value = "";
    else if (content.kind === "raw") text.value = item ? frameOf(item, {}) : "";
    else text.value = JSON.stringify(item.example.content ?? {}, undefined, 2);
    text.rows = Math.min(12, Math.max(2, text.value.split("\n").length));
    this.#check();
  }

  /** Shows how the content does not fit the contract. Returns whether it can be sent. */
  #check() {
    const item = this.#item, { text, hint } = this.#parts;
    const { content, frame } = item?.contract ?? { content: { kind: "raw" } };
    let problem, canSend = true;
    if (content.kind === "parameters" || content.kind === "json") {
      try {
        problem = hintOf(item, JSON.parse(text.value));
      } catch (error) {
        problem = `not JSON: ${error.message}`;
        canSend = false;
      }
    } else if (frame === "binary" && content.kind === "raw" && bytesOf(text.value) === undefined) {
      problem = "bytes are written with two digits each: 00 ff";
      canSend = false;
    }
    hint.textContent = problem ?? "";
    text.toggleAttribute("aria-invalid", problem !== undefined);
    return canSend;
  }

  // The connection.

  #address() {
    const inputs = [...this.#parts.parameters.querySelectorAll("[data-name]")];
    const values = Object.fromEntries(inputs.map((input) => [input.dataset.name, input.value]));
    return addressOf(this.#endpoint.handler, this.#parts.base.value, values);
  }

  #describe() {
    this.#parts.address.textContent = this.#address().address;
  }

  #status(text, state) {
    this.#parts.status.textContent = text;
    this.#parts.status.dataset.state = state;
    this.#parts.connect.textContent = state === "closed" ? "Connect" : "Disconnect";
    this.#parts.send.textContent = state === "closed" ? "Connect and send" : "Send";
  }

  #connect() {
    const { address, missing } = this.#address();
    if (missing.length) {
      this.#parts.setup.open = true;
      this.#log.info(`A value for ${missing.join(" and ")} is missing.`);
      return false;
    }
    let socket;
    try {
      socket = new WebSocket(address, this.#parts.protocol.value || []);
    } catch (error) {
      this.#log.info(error.message);
      return false;
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    const endpoint = this.#endpoint;
    this.#status("Connecting", "connecting");
    socket.addEventListener("open", () => {
      this.#status(`Connected to ${endpoint.handler.path}`, "open");
      this.#log.info(`Connected to ${address}${socket.protocol && `, subprotocol ${socket.protocol}`}`);
      this.#parts.setup.open = false;
      if (this.#waiting) this.#transmit(this.#waiting);
      this.#waiting = undefined;
    });
    socket.addEventListener("message", ({ data }) => this.#receive(endpoint, socket, data));
    socket.addEventListener("close", ({ code, reason }) => {
      const known = endpoint.handler.close_codes?.find((close) => close.code === code);
      const cause = reason || (known ? known.reason : code === 1006 ? "no connection" : "");
      this.#log.info(`Closed with ${code}${cause && `: ${cause}`}`, code === 1000 ? "" : "failed");
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.#waiting = undefined;
      this.#pending.clear();
      this.#status(`Closed with ${code}`, "closed");
    });
    return true;
  }

  #disconnect() {
    this.#socket.close(1000);
  }

  #submit() {
    if (!this.#check()) return this.#parts.text.focus();
    const message = { item: this.#item, text: this.#parts.text.value };
    if (this.#socket?.readyState === WebSocket.OPEN) this.#transmit(message);
    else if (this.#socket) this.#waiting = message;
    else if (this.#connect()) this.#waiting = message;
  }

  #transmit({ item, text }) {
    if (!item) {
      this.#socket.send(text);
      return this.#log.frame("out", { text, title: "text" });
    }
    const { kind, contract: { content, frame }, name } = item;
    const id = kind === "call" ? ++this.#lastId : undefined;
    const data = frameOf(item, { id, text: content.kind === "nothing" ? undefined : text });
    const hint = content.kind === "json" || content.kind === "parameters" ? hintOf(item, JSON.parse(text)) : undefined;
    if (frame === "binary") {
      const bytes = content.kind === "raw" ? bytesOf(data) : new TextEncoder().encode(data);
      this.#socket.send(bytes);
      return this.#log.frame("out", { text: hexOf(bytes), title: name, kind: `${bytes.length} bytes`, hint });
    }
    if (kind === "call") this.#pending.set(`${id}`, { item, since: performance.now() });
    this.#socket.send(data);
    this.#log.frame("out", { text: data, title: name, kind, hint });
  }

  // What arrives.

  #receive(endpoint, socket, data) {
    if (typeof data !== "string") {
      const bytes = new Uint8Array(data);
      const declared = endpoint.items.filter(({ side, contract }) => side === "server" && contract.frame === "binary");
      const isJson = declared.length === 1 && declared[0].contract.content.kind === "json";
      return this.#log.frame("in", { text: isJson ? decoder.decode(bytes) : hexOf(bytes), title: declared.length === 1 ? declared[0].name : "binary", kind: `${bytes.length} bytes` });
    }
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return this.#log.frame("in", { text: data, title: "text" });
    }
    const found = classify(endpoint, message);
    if (!found) return this.#log.frame("in", { text: data, title: Array.isArray(message) ? "batch" : "text" });
    const { kind, item, name, params, id } = found;
    if (kind === "result" || kind === "error") return this.#settle(endpoint, found, data);
    const hint = item ? hintOf(item, unwrapped(item, params)) : `the contract has no ${kind} ${name}`;
    const answer = kind === "call" && item ? this.#answerForm(item, id, socket) : undefined;
    this.#log.frame("in", { text: data, title: name, kind, hint, extra: answer });
  }

  #settle({ handler }, { kind, id, result, code }, data) {
    const call = this.#pending.get(`${id}`);
    this.#pending.delete(`${id}`);
    if (!call) return this.#log.frame("in", { text: data, title: kind === "result" ? "answer" : "error", kind: "no call waits for it" });
    const time = `${(performance.now() - call.since).toFixed(1)} ms`;
    const hint = kind === "result" ? textOf(call.item.contract.result, result, handler.schemas ?? {}, "the result") : undefined;
    this.#log.frame("in", { text: data, title: call.item.name, kind: `${kind === "result" ? "answer" : `error ${code ?? ""}`}, ${time}`, hint, isFailed: kind === "error" });
  }

  /** Returns a form that answers a call of the server. */
  #answerForm(item, id, socket) {
    const { handler, contract, example } = item;
    const text = el("textarea", { rows: "2", spellcheck: "false" }, JSON.stringify(example.result ?? null, undefined, 2));
    const hint = el("p", { class: "hint", role: "status" });
    const form = el("form", { class: "answer" });
    const transmit = (data, kind) => {
      if (socket.readyState !== WebSocket.OPEN) return void (hint.textContent = "the connection is closed");
      socket.send(data);
      form.remove();
      this.#log.frame("out", { text: data, title: item.name, kind });
    };
    const check = () => {
      try {
        hint.textContent = textOf(contract.result, JSON.parse(text.value), handler.schemas ?? {}, "the result") ?? "";
        return true;
      } catch (error) {
        hint.textContent = `not JSON: ${error.message}`;
      }
    };
    text.addEventListener("input", check);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (check()) transmit(frameOf(item, { id, part: "result", text: text.value }), "answer");
    });
    const refuse = () => transmit(frameOf(item, { id, part: "error", code: contract.errors?.[0]?.code ?? -32000, message: contract.errors?.[0]?.description ?? "refused" }), "error");
    form.append(el("label", {}, el("span", {}, "Answer (JSON)"), text), hint,
      el("div", { class: "buttons" }, el("button", { type: "submit", class: "primary" }, "Answer"), el("button", { type: "button", onclick: refuse }, "Answer with an error")));
    return form;
  }
}

/** Returns the value in the array in which JSON-RPC wraps a value that is neither an object nor an array. */
function unwrapped({ handler, contract: { content } }, params) {
  const isWrapped = content.kind === "json" && Array.isArray(params) && params.length === 1;
  return isWrapped && textOf(content.schema, params, handler.schemas ?? {}, "") ? params[0] : params ?? null;
}

function bytesOf(text) {
  const digits = text.replace(/\s+/g, "");
  return /^([0-9a-f]{2})*$/i.test(digits) ? Uint8Array.from(digits.match(/../g) ?? [], (byte) => parseInt(byte, 16)) : undefined;
}

/** Bytes that a line shows. */
const SHOWN = 512;

function hexOf(bytes) {
  const shown = [...bytes.subarray(0, SHOWN)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return bytes.length > SHOWN ? `${shown} …` : shown;
}
