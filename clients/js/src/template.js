// Writes and reads messages by the templates of an envelope: JSON with placeholders, for example
// `{"jsonrpc": "2.0", "method": "$name", "params": "$params"}`.

import { isSame } from "./schema.js";

const PLACEHOLDER = /^\$(name|params|id|id_text|result|code|message|data)$/;

/** Placeholders whose values may be left out of an object. */
const OPTIONAL = ["$params", "$data"];

/** The member that stands for the members of the parameters. */
const MERGED = "$params";

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** Adds a member. An assignment would not add `__proto__`. */
const define = (target, name, value) =>
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });

/** Returns the message of a template. A value that is undefined is left out of an object, and `null` in an array. */
export function fill(template, values) {
  if (typeof template === "string" && PLACEHOLDER.test(template)) {
    return template === "$id_text" ? `${values.id}` : values[template.slice(1)];
  }
  if (Array.isArray(template)) return template.map((item) => fill(item, values) ?? null);
  if (!isObject(template)) return template;
  const message = {};
  for (const [name, part] of Object.entries(template)) {
    if (name === MERGED && part === true) {
      for (const [member, value] of Object.entries(values.params ?? {})) define(message, member, value);
    } else {
      const value = fill(part, values);
      if (value !== undefined) define(message, name, value);
    }
  }
  return message;
}

/**
 * Returns the values of the placeholders in a message, or nothing if the message is not one of the template. With
 * `anyText`, a text of the template stands for any text: an envelope may have a word for each code.
 */
export function match(template, message, anyText = false) {
  // An envelope that cannot write such a message.
  if (template === null) return undefined;
  const values = {};
  return matches(template, message, values, anyText) ? values : undefined;
}

function matches(template, message, values, anyText) {
  if (typeof template === "string" && PLACEHOLDER.test(template)) {
    if (message === undefined) return OPTIONAL.includes(template);
    if (template === "$name" && typeof message !== "string") return false;
    values[template === "$id_text" ? "id" : template.slice(1)] = message;
    return true;
  }
  if (Array.isArray(template)) {
    return Array.isArray(message) && message.length === template.length
      && template.every((part, index) => matches(part, message[index], values, anyText));
  }
  if (!isObject(template)) return isSame(template, message) || (anyText && typeof template === "string" && typeof message === "string");
  if (!isObject(message)) return false;
  for (const [name, part] of Object.entries(template)) {
    if (name === MERGED && part === true) {
      values.params = {};
      for (const [member, value] of Object.entries(message)) {
        if (!Object.hasOwn(template, member)) define(values.params, member, value);
      }
    } else {
      const member = Object.hasOwn(message, name) ? message[name] : undefined;
      if (!matches(part, member, values, anyText)) return false;
    }
  }
  return true;
}
