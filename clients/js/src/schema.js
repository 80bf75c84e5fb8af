// Checks values against the JSON Schemas of a contract: those parts of draft 7 that a TypeScript type has as well.

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

const TYPES = {
  null: (value) => value === null,
  boolean: (value) => typeof value === "boolean",
  string: (value) => typeof value === "string",
  number: (value) => Number.isFinite(value),
  integer: (value) => Number.isInteger(value),
  array: Array.isArray,
  object: isObject,
};

const found = (text, isRange = false) => ({ text, isRange });

/**
 * Returns how a value differs from a schema, `{ text, isRange }`, or nothing. `isRange` says that the value is an
 * integer beyond 2^53, or a number that JSON does not have. Members that the schema does not know are ignored.
 */
export function mismatch(schema, value, schemas, path) {
  if (typeof schema !== "object" || schema === null) {
    return schema === false ? found(`${path} must not be there`) : undefined;
  }
  const { $ref, type, anyOf, oneOf, allOf } = schema;
  if ($ref !== undefined) {
    const name = `${$ref}`.slice("#/schemas/".length);
    return Object.hasOwn(schemas, name) ? mismatch(schemas[name], value, schemas, path) : undefined;
  }
  if (type !== undefined) {
    const types = [type].flat();
    const isKnown = types.every((one) => Object.hasOwn(TYPES, one));
    if (isKnown && !types.some((one) => TYPES[one](value))) {
      // JSON has neither NaN nor Infinity.
      const isRange = typeof value === "number" && types.some((one) => one === "number" || one === "integer");
      return found(`${path} is not of type ${types.join(" or ")}`, isRange && !Number.isFinite(value));
    }
    if (Number.isInteger(value) && !Number.isSafeInteger(value) && types.includes("integer") && !types.includes("number")) {
      return found(`${path} is an integer beyond 2^53, which has lost digits`, true);
    }
  }
  if ("const" in schema && !isSame(schema.const, value)) return found(`${path} is not ${JSON.stringify(schema.const)}`);
  if (schema.enum && !schema.enum.some((one) => isSame(one, value))) return found(`${path} is none of the known values`);
  for (const part of allOf ?? []) {
    const difference = mismatch(part, value, schemas, path);
    if (difference) return difference;
  }
  for (const options of [anyOf, oneOf]) {
    if (!options) continue;
    const differences = [];
    for (const option of options) {
      const difference = mismatch(option, value, schemas, path);
      if (!difference) break;
      differences.push(difference);
    }
    if (differences.length === options.length) {
      return differences.find(({ isRange }) => isRange) ?? found(`${path} has none of the possible types`);
    }
  }
  if (Array.isArray(value)) return mismatchOfItems(schema, value, schemas, path);
  return isObject(value) ? mismatchOfMembers(schema, value, schemas, path) : undefined;
}

function mismatchOfItems({ items, additionalItems, minItems, maxItems }, value, schemas, path) {
  if (value.length < minItems || value.length > maxItems) return found(`${path} has ${value.length} items`);
  for (const [index, item] of value.entries()) {
    const schema = !Array.isArray(items) ? items : index < items.length ? items[index] : additionalItems;
    const difference = schema === undefined ? undefined : mismatch(schema, item, schemas, `${path}[${index}]`);
    if (difference) return difference;
  }
}

function mismatchOfMembers(schema, value, schemas, path) {
  const { properties = {}, required = [], additionalProperties, patternProperties } = schema;
  // `undefined` is not written.
  const missing = required.find((name) => !Object.hasOwn(value, name) || value[name] === undefined);
  if (missing !== undefined) return found(`${path}.${missing} is missing`);
  // Of a map with other keys than strings. `false` only says that no further member is written.
  const others = Object.values(patternProperties ?? {})[0] ?? (additionalProperties || undefined);
  for (const [name, member] of Object.entries(value)) {
    const known = Object.hasOwn(properties, name) ? properties[name] : others;
    const difference = known === undefined || member === undefined ? undefined
      : mismatch(known, member, schemas, `${path}.${name}`);
    if (difference) return difference;
  }
}

/** Compares JSON values, whose members may be in any order. */
export function isSame(a, b) {
  if (a === b) return true;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => isSame(item, b[index]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length
    && names.every((name) => Object.hasOwn(b, name) && isSame(a[name], b[name]));
}
