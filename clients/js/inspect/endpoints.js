// The mounted handlers.

import { el } from "../docs/dom.js";
import { write } from "./columns.js";
import { commandButtons } from "./details.js";
import { count, shortType } from "./format.js";

/** The list of endpoints. The numbers of connections change. */
export class Endpoints {
  constructor(onfilter) {
    this.onfilter = onfilter;
    this.element = el("div", { class: "endpoints" });
    this.counts = new Map();
  }

  /** Shows the endpoints of a server. */
  set(endpoints) {
    this.counts.clear();
    this.all = endpoints.map((endpoint) => ({ endpoint, element: this.card(endpoint) }));
    this.empty = el("p", { class: "empty" }, "No handler is mounted.");
    this.element.replaceChildren(this.empty, ...this.all.map(({ element }) => element));
    this.filter("");
  }

  card(endpoint) {
    const { path, handler, features, states, options } = endpoint;
    const changed = options.filter(({ is_changed }) => is_changed), others = options.filter(({ is_changed }) => !is_changed);
    const list = (options) => el("dl", { class: "options" }, options.map(({ name, value }) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
    const number = el("button", { type: "button", class: "quiet count", title: "Show these connections", onclick: () => this.onfilter(handler) }, "–");
    this.counts.set(handler, [...(this.counts.get(handler) ?? []), number]);
    return el("article", {},
      el("header", {}, el("h2", {}, el("code", {}, path)), el("span", { class: "muted", title: handler }, shortType(handler)), number),
      el("p", { class: "chips" }, features.map((feature) => el("span", { class: "chip" }, feature)), states.length > 0 && el("span", { class: "muted" }, states.join(" · "))),
      changed.length > 0 ? list(changed) : el("p", { class: "muted" }, "All options have their defaults."),
      el("details", {}, el("summary", {}, `${others.length} options with defaults`), list(others)),
      el("p", { class: "buttons" }, commandButtons(endpoint)));
  }

  /** Shows the numbers of connections by handler. */
  count(handlers) {
    const known = new Map(handlers);
    for (const [handler, buttons] of this.counts) {
      const number = known.get(handler) ?? 0;
      for (const button of buttons) write(button, `${count(number)} ${number === 1 ? "connection" : "connections"}`);
    }
  }

  /** Shows the endpoints whose path or handler contains the words of a query. */
  filter(query) {
    const words = query.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const { endpoint, element } of this.all ?? []) {
      const text = `${endpoint.path} ${endpoint.handler} ${endpoint.features.join(" ")}`.toLowerCase();
      element.hidden = !words.every((word) => text.includes(word));
      shown += element.hidden ? 0 : 1;
    }
    if (this.empty) {
      this.empty.hidden = shown > 0;
      write(this.empty, query ? "No endpoint matches." : "No handler is mounted.");
    }
    return shown;
  }
}
