// A list of any length of which only the visible rows exist.

import { el } from "../docs/dom.js";

/** Rows above and below the visible ones. */
const OVERSCAN = 12;

/** The tallest element that all browsers support, in pixels. */
const TALLEST = 15_000_000;

/**
 * Rows with columns, a header that sorts, and a cursor for the keyboard. A column has `key`, `label`, `cell` (makes an element),
 * `update` (shows a row in it), and `sort` if the server orders by it.
 */
export class Table {
  constructor({ label, columns, keyOf, onview, onopen, sort }) {
    Object.assign(this, { columns, keyOf, onview, onopen, sort, total: 0, matched: 0, offset: 0, rows: [], slots: [], cursor: -1, open: undefined });
    this.heads = columns.map((column) => {
      const name = column.sort
        ? el("button", { type: "button", class: "sort", onclick: () => this.sortBy(column.sort) }, column.label)
        : el("span", {}, column.label);
      return el("div", { class: `cell ${column.key}`, role: "columnheader" }, name);
    });
    this.head = el("div", { class: "head row", role: "row" }, this.heads);
    this.space = el("div", { class: "space", role: "presentation" });
    this.note = el("div", { class: "empty", hidden: true });
    this.body = el("div", { class: "body", tabindex: "0", role: "rowgroup", onscroll: () => this.place(), onfocus: () => this.cursor < 0 && this.matched > 0 && this.move(0), onkeydown: (event) => this.key(event) },
      this.space, this.note);
    this.element = el("div", { class: "table", role: "table", "aria-label": label }, this.head, this.body);
    this.showSort();
    new ResizeObserver(() => this.place()).observe(this.body);
  }

  /** The rows that the server has to send. */
  get window() {
    const height = this.rowHeight(), shown = Math.ceil(this.body.clientHeight / height) || 1;
    const first = Math.max(0, this.first() - OVERSCAN);
    return { offset: first, limit: Math.min(200, shown + 2 * OVERSCAN), sort: this.sort.by, is_descending: this.sort.isDescending };
  }

  rowHeight() {
    return (this.height ??= parseFloat(getComputedStyle(this.element).getPropertyValue("--row"))) || 34;
  }

  /** How much shorter the list is than all of its rows, because no element is taller than `TALLEST`. */
  scale() {
    return Math.max(1, (this.matched * this.rowHeight()) / TALLEST);
  }

  first() {
    return Math.floor((this.body.scrollTop * this.scale()) / this.rowHeight());
  }

  /** Shows a page of rows, and a note if there are none. */
  show({ matched, total, offset, rows }, note) {
    Object.assign(this, { matched, total, offset, rows, isStale: false });
    this.element.setAttribute("aria-rowcount", matched);
    this.space.style.setProperty("height", `${Math.min(TALLEST, matched * this.rowHeight())}px`);
    this.note.hidden = matched > 0;
    if (matched === 0) this.note.replaceChildren(note);
    this.cursor = Math.min(this.cursor, matched - 1);
    this.place(true);
  }

  /** Moves rows to where they are visible. */
  place(isNew = false) {
    if (!isNew) this.height = undefined;
    const height = this.rowHeight(), scale = this.scale(), top = this.body.scrollTop;
    const first = Math.max(0, this.first() - OVERSCAN), last = Math.min(this.matched, this.first() + Math.ceil(this.body.clientHeight / height) + OVERSCAN);
    const known = this.rows.slice(Math.max(0, first - this.offset), Math.max(0, last - this.offset));
    const start = Math.max(first, this.offset);
    known.forEach((row, index) => {
      const slot = (this.slots[index] ??= this.slot()), at = start + index;
      // With a scale, rows keep their height and move against the scroll position.
      const y = scale === 1 ? at * height : top + at * height - top * scale;
      slot.element.style.setProperty("transform", `translateY(${y}px)`);
      slot.element.hidden = false;
      slot.element.setAttribute("aria-rowindex", at + 1);
      slot.element.classList.toggle("cursor", at === this.cursor);
      slot.element.classList.toggle("open", this.keyOf(row) === this.open);
      if (slot.row !== row) {
        Object.assign(slot, { row, at });
        this.columns.forEach((column, number) => column.update(slot.cells[number], row));
      }
      slot.at = at;
    });
    for (const slot of this.slots.slice(known.length)) slot.element.hidden = true;
    const isCovered = this.offset <= first && this.offset + this.rows.length >= last;
    if (!isNew && !isCovered) this.onview();
  }

  slot() {
    const cells = this.columns.map((column) => column.cell());
    const slot = { cells };
    slot.element = el("div", { class: "row", role: "row", onclick: () => this.choose(slot.at) },
      cells.map((cell, number) => el("div", { class: `cell ${this.columns[number].key}`, role: "cell" }, cell.element ?? cell)));
    this.body.append(slot.element);
    return slot;
  }

  /** Returns to the first row. Until the next page of rows, those that are shown may not be chosen. */
  reset() {
    this.isStale = true;
    this.cursor = -1;
    this.body.scrollTop = 0;
  }

  sortBy(by) {
    const isSame = this.sort.by === by;
    this.sort = { by, isDescending: isSame ? !this.sort.isDescending : this.columns.find(({ sort }) => sort === by).isNumber === true };
    this.reset();
    this.showSort();
    this.onview();
  }

  showSort() {
    this.columns.forEach((column, number) => {
      if (!column.sort) return;
      const order = column.sort === this.sort.by ? (this.sort.isDescending ? "descending" : "ascending") : "none";
      this.heads[number].setAttribute("aria-sort", order);
    });
  }

  /** Opens a row. */
  choose(at) {
    if (this.isStale) return;
    this.cursor = at;
    const row = this.rows[at - this.offset];
    if (row) this.onopen(row);
    this.place(true);
  }

  /** Marks a row as the one with details. */
  mark(key) {
    this.open = key;
    this.place(true);
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.body.clientHeight / this.rowHeight()) - 1);
    const steps = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) {
      event.preventDefault();
      this.move(Math.max(0, Math.min(this.matched - 1, this.cursor + steps[event.key])));
    } else if (event.key === "Enter" && this.cursor >= 0) {
      this.choose(this.cursor);
    }
  }

  move(at) {
    this.cursor = at;
    const height = this.rowHeight(), scale = this.scale(), top = (at * height) / scale, room = this.body.clientHeight;
    if (top < this.body.scrollTop) this.body.scrollTop = top;
    else if (top + height > this.body.scrollTop + room) this.body.scrollTop = top + height - room;
    this.place();
  }
}
