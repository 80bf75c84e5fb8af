// Messages as they are sent and received, by the templates of the envelope.

import { mismatch } from "../src/schema.js";
import { fill, match } from "../src/template.js";

/** The text that stands for the content while a template is filled. */
const PLACE = "\u0000content";

/**
 * Returns the message of a call or a message, or its answer (`part`). `text` is the content as JSON text, which becomes part
 * of the message as it is, so that numbers keep their digits; without it, the content is the example's.
 */
export function frameOf({ handler, kind, contract, example }, { id, text, part = kind, ...values }) {
  const { envelope } = handler, { content, frame, name } = contract;
  if (kind === "message" && frame !== "envelope") {
    if (content.kind === "raw") return text ?? (frame === "text" ? "Hello" : "00 ff");
    return text ?? JSON.stringify(example.content ?? null);
  }
  if (!envelope?.[part]) return undefined;
  const written = (value) => (text === undefined ? value : PLACE);
  let params;
  if (part === kind && content.kind !== "nothing") {
    const isMerged = Object.hasOwn(envelope[part], "$params");
    const wrapped = envelope.format.kind === "json_rpc" && !/^\s*[[{]/.test(text ?? JSON.stringify(example.content ?? null));
    params = isMerged && text !== undefined ? JSON.parse(text) : written(example.content ?? {});
    if (wrapped) params = [params];
  }
  if (part === "result") values.result = written(values.result ?? null);
  const message = JSON.stringify(fill(envelope[part], { id, name, params, ...values }));
  return text === undefined ? message : message.replace(JSON.stringify(PLACE), () => text);
}

/** Returns how a content does not fit its contract, in words, or nothing. */
export function hintOf({ handler, contract: { content } }, value) {
  const schemas = handler.schemas ?? {};
  if (content.kind === "json") return textOf(content.schema, value, schemas, "the value");
  if (content.kind !== "parameters") return undefined;
  const { parameters } = content;
  const names = parameters.map(({ name }) => name);
  if (typeof value !== "object" || value === null) return "the parameters are an object, or an array in their order";
  const given = Array.isArray(value) ? Object.fromEntries(value.slice(0, names.length).map((item, index) => [names[index], item])) : value;
  for (const { name, schema, is_optional } of parameters) {
    if (Object.hasOwn(given, name)) {
      const hint = textOf(schema, given[name], schemas, name);
      if (hint) return hint;
    } else if (!is_optional) return `${name} is missing`;
  }
  const other = Object.keys(given).find((name) => !names.includes(name));
  return other === undefined ? undefined : `${other} is not a parameter`;
}

export function textOf(schema, value, schemas, path) {
  try {
    return mismatch(schema, value, schemas, path)?.text;
  } catch {
    // The stack has ended.
    return `${path} is nested too deep`;
  }
}

/**
 * Returns what a message of the server is: `{ kind, item, name, id, … }`, or nothing. The kind is `call`, `message`,
 * `result` or `error`.
 */
export function classify({ handler, items }, message) {
  const { envelope } = handler;
  const find = (kind, name) => items.find((item) => item.side === "server" && item.kind === kind && item.name === name
    && (kind === "call" || item.contract.frame === "envelope"));
  if (envelope) {
    const called = envelope.call && match(envelope.call, message), sent = envelope.message && match(envelope.message, message);
    if (called && find("call", called.name)) return { kind: "call", ...called, item: find("call", called.name) };
    if (sent && find("message", sent.name)) return { kind: "message", ...sent, item: find("message", sent.name) };
    if (called) return { kind: "call", ...called };
    const result = envelope.result && match(envelope.result, message);
    if (result) return { kind: "result", ...result };
    const error = envelope.error && match(envelope.error, message, true);
    if (error) return { kind: "error", ...error };
    if (sent) return { kind: "message", ...sent };
  }
  const fitting = items.filter((item) => item.side === "server" && item.contract.frame === "text" && item.contract.content.kind === "json"
    && !textOf(item.contract.content.schema, message, handler.schemas ?? {}, ""));
  return fitting.length === 1 ? { kind: "message", name: fitting[0].name, params: message, item: fitting[0] } : undefined;
}
