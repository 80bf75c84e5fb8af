// Columns of tables.

import { el } from "../docs/dom.js";
import { Sparkline } from "./spark.js";

/** Sets the text of a node if it differs. */
export const write = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};

/** A column of texts. `text` is the text of a row, `hint` the text of its tooltip. */
export const text = (key, label, text, { hint, ...more } = {}) => ({
  key, label, ...more,
  cell: () => el("span"),
  update(node, row) {
    write(node, text(row));
    if (hint) node.setAttribute("title", hint(row));
  },
});

/** A column of numbers, of which the largest come first. */
export const number = (key, label, value, more) => text(key, label, value, { isNumber: true, ...more });

/** A column with a sparkline. */
export const spark = (key, label, values) => ({
  key, label,
  cell: () => new Sparkline(96, 20, 30),
  update: (sparkline, row) => sparkline.draw(values(row)),
});

/** A column whose cell is made anew for each row. */
export const nodes = (key, label, make, more) => ({
  key, label, ...more,
  cell: () => el("span", { class: "nodes" }),
  update: (node, row) => node.replaceChildren(...[make(row)].flat().filter(Boolean)),
});
