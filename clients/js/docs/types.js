// Types of JSON Schemas as text, and the members of objects as lists.

import { el, joined } from "./dom.js";
import { markdown } from "./markdown.js";

const REFERENCE = "#/schemas/";

/** Returns the id of a type's element. */
export const typeId = (handler, name) => `${handler.name}${handler.path}/type/${name}`;

/** Returns what a schema says about a type, as inline nodes. */
export function typeOf(schema, handler) {
  if (typeof schema !== "object" || schema === null) return [schema === false ? "nothing" : "any JSON"];
  const { $ref, type, allOf, anyOf, oneOf, items, additionalProperties, patternProperties, format } = schema;
  if ($ref !== undefined) {
    const name = `${$ref}`.replace(REFERENCE, "");
    return [el("a", { href: `#${encodeURIComponent(typeId(handler, name))}` }, name)];
  }
  if ("const" in schema) return [el("code", {}, JSON.stringify(schema.const))];
  if (schema.enum) return joined(schema.enum.map((value) => el("code", {}, JSON.stringify(value))), " or ");
  if (allOf?.length === 1 && !type) return typeOf(allOf[0], handler);
  const options = anyOf ?? oneOf;
  if (options && !type) {
    return options.length <= 4 ? joined(options.map((option) => typeOf(option, handler)), " or ") : [`one of ${options.length} types`];
  }
  const one = (name) => {
    if (name === "array") {
      if (Array.isArray(items)) return ["[", joined(items.map((item) => typeOf(item, handler)), ", "), "]"];
      return [schema.uniqueItems ? "set of " : "array of ", items === undefined ? "any JSON" : typeOf(items, handler)];
    }
    const member = Object.values(patternProperties ?? {})[0] ?? additionalProperties;
    if (name === "object" && member && !schema.properties) return ["map of ", typeOf(member, handler)];
    const isNumber = name === "integer" || name === "number";
    return [name, format && (isNumber || name === "string") && !/^double$/.test(format) ? ` (${format})` : ""];
  };
  if (type === undefined) return [allOf || schema.properties ? "object" : "any JSON"];
  return joined([type].flat().map(one), " or ");
}

/** Returns the limits of a schema's values as a text. */
function limitsOf({ format = "", ...schema }) {
  const range = (min, max, unit) => {
    if (min === undefined && max === undefined) return [];
    if (min === max) return [`${min}${unit}`];
    if (max === undefined) return [`at least ${min}${unit}`];
    return [min === undefined ? `at most ${max}${unit}` : `${min} to ${max}${unit}`];
  };
  // The formats of Rust's integers say their ranges.
  const isKnown = /^u?int(8|16|32|64|128)?$/.test(format) && !(schema.minimum > 0);
  return [
    ...(isKnown ? [] : range(schema.minimum, schema.maximum, "")),
    ...range(schema.minLength, schema.maxLength, " characters"),
    ...range(schema.minItems, schema.maxItems, " items"),
    ...(schema.exclusiveMinimum === undefined ? [] : [`more than ${schema.exclusiveMinimum}`]),
    ...(schema.exclusiveMaximum === undefined ? [] : [`less than ${schema.exclusiveMaximum}`]),
    ...(schema.multipleOf === undefined ? [] : [`a multiple of ${schema.multipleOf}`]),
    ...(schema.pattern === undefined ? [] : [`matches ${schema.pattern}`]),
    ...(schema.default === undefined || schema.default === null ? [] : [`default ${JSON.stringify(schema.default)}`]),
  ].join(", ");
}

/** Returns a list of parameters: `{ name, schema, description, is_optional }`. */
export function parameterList(parameters, handler) {
  return el("ul", { class: "members" }, parameters.map(({ name, schema, description, is_optional, place }) => el("li", {},
    el("div", { class: "member" },
      el("code", { class: "name" }, name),
      el("span", { class: "type" }, typeOf(schema, handler)),
      place && el("span", { class: "type" }, place),
      el("span", { class: is_optional ? "optional" : "required" }, is_optional ? "optional" : "required")),
    markdown(description ?? schema?.description),
    limited(schema),
    nested(schema, handler))));
}

function limited(schema) {
  const limits = typeof schema === "object" && schema !== null ? limitsOf(schema) : "";
  return limits && el("p", { class: "limits" }, `${limits[0].toUpperCase()}${limits.slice(1)}.`);
}

/** Returns the members of an object that has no name. */
function nested(schema, handler) {
  const inner = schema?.properties ? schema : schema?.items?.properties ? schema.items : undefined;
  return inner && el("details", {}, el("summary", {}, "Members"), members(inner, handler));
}

/** Returns the list of an object's members. */
export function members({ properties = {}, required = [] }, handler) {
  return parameterList(Object.entries(properties).map(([name, schema]) => ({
    name, schema, is_optional: !required.includes(name),
  })), handler);
}

/** Returns whether a schema says more than its type in one line does. */
const isDetailed = (schema) => schema?.properties || schema?.allOf || (schema?.oneOf ?? schema?.anyOf)?.some(isDetailed);

/** Returns the description of a schema as elements. */
export function schemaView(schema, handler) {
  const options = schema?.oneOf ?? schema?.anyOf;
  if (options && (isDetailed(schema) || options.some((option) => option?.description))) {
    return [schema.properties && members(schema, handler), el("p", { class: "caption" }, "One of"),
      el("ul", { class: "alternatives" }, options.map((option) => el("li", {}, schemaView(option, handler), markdown(option?.description))))];
  }
  if (schema?.allOf?.length > 1) return [schema.properties && members(schema, handler), schema.allOf.map((part) => schemaView(part, handler))];
  if (schema?.properties) return [members(schema, handler)];
  return [el("p", { class: "member" }, el("span", { class: "type" }, typeOf(schema, handler))), limited(schema)];
}

/** Returns the schema that a reference leads to. */
export function resolved(schema, handler) {
  for (let steps = 0; typeof schema?.$ref === "string" && steps < 16; steps++) {
    const name = schema.$ref.slice(REFERENCE.length);
    if (!Object.hasOwn(handler.schemas ?? {}, name)) return schema;
    schema = handler.schemas[name];
  }
  return schema;
}
