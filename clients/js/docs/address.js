// The addresses of handlers.

/**
 * Returns the address of a handler below that of its router, and the names of the parameters that have no value. The
 * values of parameters are as in a query string, without quotes.
 */
export function addressOf({ path, query = [] }, base, values) {
  const missing = [];
  const textOf = (name) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    return value === undefined || value === null ? "" : typeof value === "object" ? JSON.stringify(value) : `${value}`;
  };
  const filled = path.replace(/\{(\*?)([^{}]+)\}/g, (_, isRest, name) => {
    const text = textOf(name);
    if (!text) missing.push(name);
    return isRest ? text.split("/").map(encodeURIComponent).join("/") : encodeURIComponent(text);
  });
  const search = new URLSearchParams();
  for (const { name, is_optional } of query) {
    const text = textOf(name);
    if (text) search.append(name, text);
    else if (!is_optional) missing.push(name);
  }
  const all = `${search}`;
  return { address: base.replace(/\/+$/, "") + filled + (all && `?${all}`), missing };
}
