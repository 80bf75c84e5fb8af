// Documentation comments: paragraphs, lists, blocks of code, and code in a line. Other Markdown is shown as it is written.

import { el } from "./dom.js";

/** Returns the elements of a text. */
export function markdown(text = "") {
  const blocks = [];
  // Blocks of code first, because they may have empty lines.
  for (const [index, part] of text.split(/^```.*$/m).entries()) {
    if (index % 2) blocks.push(el("pre", { class: "code" }, part.replace(/^\n|\n$/g, "")));
    else blocks.push(...part.split(/\n\s*\n/).filter((block) => block.trim()).map(blockOf));
  }
  return blocks;
}

/** Returns the inline elements of the first paragraph. */
export const summary = (text = "") => inline(text.split(/\n\s*\n/)[0]);

function blockOf(block) {
  const heading = block.match(/^\s*#+ (.*)$/);
  if (heading) return el("p", {}, el("strong", {}, inline(heading[1])));
  if (!/^\s*[-*] /.test(block)) return el("p", {}, inline(block));
  const items = block.split(/^\s*[-*] /m).filter((item) => item.trim());
  return el("ul", {}, items.map((item) => el("li", {}, inline(item))));
}

function inline(text) {
  // A link of rustdoc leads to a page that readers do not have.
  const plain = text.trim().replace(/\[(`[^`]+`)\](\([^)]*\)|\[[^\]]*\])?/g, "$1");
  return plain.split(/`([^`]+)`/).map((part, index) => (index % 2 ? el("code", {}, part) : part));
}
