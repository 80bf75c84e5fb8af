// Elements. Texts of the contract become text nodes, so that no part of them is HTML.

/** Returns an element with attributes, listeners (`onclick`), and children: nodes, texts, arrays of them. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Like `el`, but for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== false));
  return node;
}

/** Returns the elements of a list with a separator between them. */
export const joined = (parts, separator) => parts.flatMap((part, index) => (index ? [separator, part] : [part]));
