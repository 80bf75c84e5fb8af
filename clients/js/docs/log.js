// The messages of a connection, newest last.

import { el } from "./dom.js";
import { code } from "./json.js";

/** The entries that the log keeps. */
const ENTRIES = 500;

/** The characters of a message that the log shows. */
const SHOWN = 20_000;

export class Log {
  /** Entries that the page does not show yet, as functions that make their elements. */
  #waiting = [];
  #list = el("ol", { class: "entries", role: "log", "aria-label": "Messages", tabindex: "0" });
  #count = el("span", { class: "muted" }, "No messages");

  constructor() {
    this.element = el("div", { class: "traffic" },
      el("div", { class: "traffic-bar" }, this.#count, el("button", { type: "button", onclick: () => this.#clear() }, "Clear")), this.#list);
  }

  info(text, className = "") {
    this.#add(`info ${className}`, () => text);
  }

  /** Adds a message. `kind` and `hint` are texts, and `extra` is an element. */
  frame(direction, { text, title, kind, hint, extra, isFailed }) {
    const shown = text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
    this.#add(direction, () => [
      el("span", { class: "direction" }, direction === "in" ? "← received" : "→ sent"),
      el("strong", {}, title), kind !== undefined && el("span", { class: isFailed ? "kind failed" : "kind" }, kind),
      code(shown), hint && el("p", { class: "hint" }, `Differs from the contract: ${hint}.`), extra,
    ]);
  }

  #add(direction, content) {
    const now = new Date(), two = (number) => `${number}`.padStart(2, "0");
    const time = `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}.${`${now.getMilliseconds()}`.padStart(3, "0")}`;
    this.#waiting.push(() => el("li", { class: direction }, el("time", { datetime: now.toISOString() }, time), content()));
    if (this.#waiting.length > ENTRIES) this.#waiting.shift();
    // A server may send faster than the page can draw: once a frame is enough.
    if (this.#waiting.length === 1) requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    const list = this.#list;
    const isAtEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 40;
    list.append(...this.#waiting.map((make) => make()));
    this.#waiting = [];
    while (list.childElementCount > ENTRIES) list.firstElementChild.remove();
    if (isAtEnd) list.scrollTop = list.scrollHeight;
    this.#show();
  }

  #clear() {
    this.#list.replaceChildren();
    this.#show();
  }

  #show() {
    const count = this.#list.childElementCount;
    this.#count.textContent = count === ENTRIES ? `The last ${ENTRIES} entries` : count === 1 ? "1 entry" : count ? `${count} entries` : "No messages";
  }
}
