// The reference of one handler.

import { addressOf } from "./address.js";
import { el } from "./dom.js";
import { frameOf } from "./frames.js";
import { code } from "./json.js";
import { markdown, summary } from "./markdown.js";
import { diagram, stepOf } from "./states.js";
import { parameterList, resolved, schemaView, typeId, typeOf } from "./types.js";

/** Returns the id of a handler's section. A path is part of it, because a handler may be mounted twice. */
export const slug = (handler) => `${handler.name}${handler.path}`;

/** Returns all calls and messages of a handler with their examples. */
export function itemsOf(handler, examples) {
  const items = [];
  for (const side of ["client", "server"]) {
    const { calls = [], messages = [] } = handler[side] ?? {};
    const add = (kind) => (contract, index) => {
      const example = kind === "call" ? examples[side].calls[index] : { content: examples[side].messages[index] };
      const id = `${slug(handler)}/${side}/${kind}/${contract.name}`;
      const count = items.filter((item) => item.id.replace(/~\d+$/, "") === id).length;
      items.push({ handler, side, kind, contract, example, name: contract.name, id: count ? `${id}~${count}` : id });
    };
    calls.forEach(add("call"));
    messages.forEach(add("message"));
  }
  return items;
}

const GROUPS = [
  ["client", "call", "Calls to the server", "The client calls, and the server answers."],
  ["client", "message", "Messages to the server", "The client sends, and no answer follows."],
  ["server", "message", "Messages from the server", "The server sends by itself or as a reply."],
  ["server", "call", "Calls from the server", "The server calls, and the client answers."],
];

export function handlerSection({ handler, items, examples }, base, terminal) {
  const id = slug(handler);
  const part = (title, ...children) => el("section", { class: "part", "aria-label": title }, el("h3", {}, title), children);
  return el("section", { class: "handler", id, "aria-label": handler.name },
    el("div", { class: "row" },
      el("div", {},
        el("h2", {}, handler.name),
        el("p", { class: "address" }, el("code", {}, handler.path)),
        markdown(handler.description),
        !handler.is_described && el("p", { class: "note" }, "This handler is not described: its limits and close codes are all that is known."),
        facts(handler)),
      el("div", { class: "samples" }, connection(handler, examples, base),
        el("button", { type: "button", onclick: () => terminal.show(handler) }, "Open in console"))),
    parameters(handler),
    GROUPS.map(([side, kind, title, about]) => {
      const found = items.filter((item) => item.side === side && item.kind === kind);
      return found.length > 0 && part(title, el("p", { class: "muted" }, about), found.map((item) => itemView(item, terminal)));
    }),
    handler.states?.length > 0 && part("States", states(handler)),
    handler.close_codes?.length > 0 && part("Close codes", closeCodes(handler)),
    part("Limits", limits(handler.limits)),
    Object.keys(handler.schemas ?? {}).length > 0 && part("Types", Object.entries(handler.schemas).map(([name, schema]) =>
      el("article", { class: "type-view", id: typeId(handler, name) }, el("h4", {}, name), markdown(schema.description), schemaView(schema, handler)))));
}

const ENVELOPES = { json_rpc: "JSON-RPC 2.0", tagged: "JSON with a tag", custom: "Own format" };

function facts({ envelope, subprotocols = [], version, session, states = [] }) {
  const initial = states.find(({ is_initial }) => is_initial);
  return el("p", { class: "facts" },
    envelope && el("span", {}, `Envelope: ${ENVELOPES[envelope.format.kind] ?? envelope.format.kind}`),
    version > 0 && el("span", {}, `Contract version ${version}`),
    subprotocols.length > 0 && el("span", {}, "Subprotocols: ", subprotocols.map((name) => [el("code", {}, name), " "])),
    session && el("span", {}, `Sessions: resumed within ${duration(session.resume)}`),
    initial && el("span", {}, "Starts in state ", el("code", {}, initial.name)));
}

/** Returns how a page connects. */
function connection(handler, examples, base) {
  const { address } = addressOf(handler, base, { ...examples.query, ...examples.path });
  const protocols = handler.subprotocols ?? [];
  const second = protocols.length ? `,\n  ${JSON.stringify(protocols.length === 1 ? protocols[0] : protocols)}` : "";
  return figure("Connect", el("pre", { class: "code", tabindex: "0" }, "new WebSocket(\n  ", el("span", { class: "s" }, JSON.stringify(address)), second, "\n)"));
}

const figure = (caption, body) => el("figure", {}, el("figcaption", {}, caption), body);

function parameters(handler) {
  const all = [
    ...(handler.path_parameters ?? []).map((one) => ({ ...one, place: "path" })),
    ...(handler.query ?? []).map((one) => ({ ...one, place: "query" })),
  ];
  return all.length > 0 && el("section", { class: "part", "aria-label": "Parameters" }, el("h3", {}, "Parameters"), parameterList(all, handler));
}

function itemView(item, terminal) {
  const { handler, side, kind, contract, example, id, name } = item;
  const isCall = kind === "call", isOurs = side === "client";
  const frames = [[isCall ? "Call" : "Message", contract.content.kind === "raw" ? undefined : frameOf(item, { id: 1 })]];
  if (isCall) {
    frames.push(["Answer", frameOf(item, { id: 1, part: "result", result: example.result })]);
    for (const [index, error] of (contract.errors ?? []).entries()) {
      const values = { code: error.code, message: error.description, data: example.errors[index] ?? undefined };
      frames.push([`Error ${error.code}`, frameOf(item, { id: 1, part: "error", ...values })]);
    }
  }
  return el("article", { class: "item row", id },
    el("div", {},
      el("h4", {}, el("a", { href: `#${encodeURIComponent(id)}` }, name), contract.states?.length > 0 && [" ", el("span", { class: "tag" }, `in ${contract.states.join(", ")}`)]),
      markdown(contract.description),
      contentView(contract, handler, isCall ? "Parameters" : "Content"),
      isCall && [el("h5", {}, "Result"), resultView(contract.result, handler)],
      contract.errors?.length > 0 && [el("h5", {}, "Errors"), errors(contract.errors, handler)]),
    el("div", { class: "samples" },
      frames.map(([caption, text]) => text !== undefined && figure(caption, code(text))),
      isOurs && el("button", { type: "button", onclick: () => terminal.compose(item) }, "Try it")));
}

function contentView({ content, frame }, handler, title) {
  if (content.kind === "parameters") {
    return content.parameters.length ? [el("h5", {}, title), parameterList(content.parameters, handler)] : el("p", { class: "muted" }, "No parameters.");
  }
  if (content.kind === "nothing") return el("p", { class: "muted" }, title === "Content" ? "No content." : "No parameters.");
  if (content.kind === "raw") return el("p", { class: "muted" }, frame === "binary" ? "Bytes as they are." : "Text as it is.");
  return [el("h5", {}, title), named(content.schema, handler)];
}

/** Returns a type, and the members of a type with a name. */
function named(schema, handler) {
  const inner = resolved(schema, handler);
  if (inner === schema) return schemaView(schema, handler);
  return [el("p", { class: "member" }, el("span", { class: "type" }, typeOf(schema, handler))), inner.properties ? schemaView(inner, handler) : []];
}

const resultView = (schema, handler) => (schema.type === "null" ? el("p", { class: "muted" }, "No value: null.") : named(schema, handler));

function errors(list, handler) {
  return table(["Code", "Meaning", "Data"], list.map(({ code: number, description, data }) =>
    [el("code", {}, number), summary(description), data === undefined ? "" : el("span", { class: "type" }, typeOf(data, handler))]));
}

function closeCodes({ close_codes: codes }) {
  return table(["Code", "Cause"], codes.map(({ code: number, reason, is_declared }) =>
    [el("code", {}, number), [summary(reason), is_declared && [" ", el("span", { class: "tag" }, "handler")]]]));
}

function table(titles, rows) {
  return el("table", {},
    el("thead", {}, el("tr", {}, titles.map((title) => el("th", { scope: "col" }, title)))),
    el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell) => el("td", {}, cell))))));
}

function states({ name, states: all, transitions = [] }) {
  return el("div", { class: "states" },
    el("div", { class: "scroll", tabindex: "0" }, diagram(all, transitions, `The states of ${name}`)),
    transitions.length > 0 && table(["From", "To", "By"], transitions.map((step) => [step.from, step.to, stepOf(step)])));
}

function limits(values) {
  const rows = [
    ["Size of a message", values.max_message_size, size],
    ["Size of a frame", values.max_frame_size, size],
    ["Messages a second", values.max_message_rate, String],
    ["Calls that wait for an answer", values.max_deferred, String],
    ["Silence until the server closes", values.idle_timeout, duration],
    ["Silence until the server pings", values.ping_interval, duration],
    ["Life of a connection", values.max_lifetime, duration],
  ];
  return el("dl", { class: "limits-list" },
    rows.filter(([, value]) => value !== undefined).map(([title, value, text]) => el("div", {}, el("dt", {}, title), el("dd", {}, text(value)))),
    el("div", {}, el("dt", {}, "Compression"), el("dd", {}, values.compress ? "permessage-deflate" : "none")));
}

function size(bytes) {
  for (const [unit, factor] of [["MiB", 2 ** 20], ["KiB", 1024]]) if (bytes >= factor && bytes % factor === 0) return `${bytes / factor} ${unit}`;
  return `${bytes} bytes`;
}

function duration(ms) {
  for (const [unit, factor] of [["h", 3_600_000], ["min", 60_000], ["s", 1000]]) if (ms >= factor && ms % factor === 0) return `${ms / factor} ${unit}`;
  return `${ms} ms`;
}
