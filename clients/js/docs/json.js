// JSON on the page: indented and coloured. The text is taken apart as it is, so that numbers keep all their digits.

import { el } from "./dom.js";

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** The greatest length of a list or an object in one line. */
const LINE = 52;

/** Returns a block of code with the JSON text, or with the text as it is if it is not JSON. */
export function code(text, attributes = {}) {
  return el("pre", { class: "code", tabindex: "0", ...attributes }, coloured(text));
}

function coloured(text) {
  try {
    JSON.parse(text);
    const tokens = text.match(TOKEN);
    return written(tree(tokens, { at: 0 }), "");
  } catch {
    // Also JSON that is nested too deep for the stack.
    return text;
  }
}

/** Returns a value: a token, or a list of members `[key, value]`. */
function tree(tokens, position) {
  const open = tokens[position.at++];
  if (open !== "{" && open !== "[") return open;
  const close = open === "{" ? "}" : "]", members = [];
  let length = 2;
  while (tokens[position.at] !== close) {
    if (tokens[position.at] === ",") position.at++;
    const key = open === "{" ? tokens[position.at] : undefined;
    if (key !== undefined) position.at += 2;
    const value = tree(tokens, position);
    members.push([key, value]);
    length += (key?.length ?? 0) + (value.length ?? 0) + 3;
  }
  position.at++;
  return { open, close, members, length };
}

function written(value, indent) {
  if (typeof value === "string") return el("span", { class: kindOf(value) }, value);
  const { open, close, members, length } = value;
  const isShort = length + indent.length <= LINE;
  const inner = isShort ? "" : `${indent}  `;
  const parts = members.map(([key, member], index) => [
    isShort ? (index ? " " : "") : `\n${inner}`,
    key === undefined ? [] : [el("span", { class: "k" }, key), ": "],
    written(member, inner),
    index < members.length - 1 && ",",
  ]);
  return [open, parts, isShort || !members.length ? close : `\n${indent}${close}`];
}

const kindOf = (token) => (token[0] === '"' ? "s" : /^[-\d]/.test(token) ? "n" : "b");
