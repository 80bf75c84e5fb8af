// The details of a connection: figures, tags, messages, closes.

import { el } from "../docs/dom.js";
import { write } from "./columns.js";
import { commandsFor, copy } from "./commands.js";
import { age, bytes, clock, count, rate, shortType } from "./format.js";
import { Sparkline } from "./spark.js";

/** The log has the last messages only. */
const MAX_ENTRIES = 200;

/** A definition list whose values change. */
export class Facts {
  constructor(names) {
    this.values = names.map(() => el("dd"));
    this.element = el("dl", { class: "facts" }, names.map((name, index) => el("div", {}, el("dt", {}, name), this.values[index])));
  }

  show(values) {
    values.forEach((value, index) => write(this.values[index], value));
  }
}

/** A button that copies a text and says so. */
export function copyButton(label, text) {
  const button = el("button", { type: "button", class: "quiet", title: text, onclick: async () => {
    await copy(text);
    write(button, "Copied");
    setTimeout(() => write(button, label), 1200);
  } }, label);
  return button;
}

/** The commands of an endpoint, to be copied. */
export const commandButtons = (endpoint) => commandsFor(location.origin, endpoint)
  .map(({ name, command }) => copyButton(`Copy ${name}`, command));

/** A panel about the selected connection. */
export class Details {
  constructor({ link, settings, onclose, endpointsOf }) {
    Object.assign(this, { link, settings, onclose, endpointsOf });
    this.title = el("h2", {});
    this.state = el("span", { class: "state" });
    this.facts = new Facts(["Client", "Open for", "Received", "Sent", "Waiting for the client"]);
    this.chart = new Sparkline(400, 56, 30, "Bytes per second in the last samples");
    this.peak = el("span", { class: "muted" });
    this.tags = el("ul", { class: "tag-list" });
    this.noTags = el("p", { class: "muted" }, "No tags. Context::tag adds them.");
    this.watch = el("button", { type: "button", onclick: () => this.toggleWatch() }, "Watch");
    this.log = el("ol", { class: "log", tabindex: "0", "aria-label": "Messages" });
    this.logNote = el("p", { class: "muted" });
    this.actions = el("div", { class: "actions" });
    this.form = el("div");
    const section = (title, ...children) => el("section", {}, el("h3", {}, title), children);
    this.element = el("aside", { class: "details", hidden: true, "aria-label": "Connection" },
      el("header", {}, el("div", { class: "names" }, this.title, this.state),
        el("button", { type: "button", class: "quiet close", "aria-label": "Close the details", title: "Esc", onclick: () => this.onclose() }, "×")),
      el("div", { class: "scroll" },
        this.facts.element,
        el("figure", { class: "chart" }, this.chart.element, el("figcaption", {}, this.peak)),
        this.actions, this.form,
        section("Tags", this.tags, this.noTags),
        el("section", { class: "messages" }, el("header", {}, el("h3", {}, "Messages"), this.watch), this.logNote, this.log)));
  }

  /** Shows another connection. */
  select(id) {
    if (this.id === id) return;
    if (this.isWatchAsked) this.link.send({ type: "unwatch" });
    Object.assign(this, { id, row: undefined, watched: undefined, isWatchAsked: false, shownTags: undefined, isEnded: false });
    this.element.hidden = id === undefined;
    this.form.replaceChildren();
    this.actions.replaceChildren();
    this.log.replaceChildren();
    // Nothing of the connection before may stay, least of all its buttons.
    this.tags.replaceChildren();
    this.noTags.hidden = true;
    this.facts.show(["", "", "", "", ""]);
    this.chart.draw([]);
    write(this.peak, "");
    this.showWatch();
    if (id === undefined) return;
    write(this.title, `#${id}`);
    write(this.state, "");
  }

  /** Shows what the server reports about the connection; `row` is null after its end. */
  show(id, row) {
    if (id !== this.id) return;
    if (!row) {
      if (!this.isEnded) this.ended();
      return;
    }
    const isFirst = this.row === undefined;
    this.row = row;
    write(this.title, `${shortType(row.handler)} #${row.id}`);
    this.title.setAttribute("title", row.handler);
    this.showState(row.state);
    const traffic = (total, current) => `${bytes(total)}${current ? `, ${rate(current)}` : ""}`;
    this.facts.show([row.peer || "unknown", age(row.age), traffic(row.received, row.received_rate), traffic(row.sent, row.sent_rate), bytes(row.buffered)]);
    this.chart.draw(row.rates);
    write(this.peak, row.rates.length > 1 ? `Peak ${rate(Math.max(...row.rates))} in both directions` : "Rates follow with the next sample");
    this.showTags(row.tags);
    if (isFirst) this.showActions();
    this.showWatch();
  }

  showState(state) {
    write(this.state, state);
    this.state.setAttribute("data-state", state);
  }

  ended() {
    this.showState("ended");
    this.actions.replaceChildren();
    this.form.replaceChildren();
    this.isEnded = true;
    this.row = null;
    this.showWatch();
  }

  showActions() {
    const endpoint = this.endpointsOf(this.row.handler)[0];
    this.actions.replaceChildren(
      ...(this.settings.may_act ? [el("button", { type: "button", class: "danger", onclick: () => this.ask("Close this connection", (close) => ({ type: "close", id: this.id, ...close })) }, "Close…")] : []),
      ...(endpoint ? commandButtons(endpoint) : []));
  }

  showTags(tags) {
    const shown = JSON.stringify(tags);
    if (shown === this.shownTags) return;
    this.shownTags = shown;
    this.noTags.hidden = tags.length > 0;
    this.tags.replaceChildren(...tags.map((tag) => el("li", {}, el("span", { class: "tag" }, tag),
      this.settings.may_act && el("button", { type: "button", class: "quiet", onclick: () =>
        this.ask(`Close all connections with the tag ${tag}`, (close) => ({ type: "kick", tag, ...close })) }, "Kick…"))));
  }

  /** Asks for the code and the reason of a close, then sends it. */
  ask(title, request) {
    const code = el("input", { type: "number", min: "1000", max: "4999", required: true, value: "1008" });
    const reason = el("input", { type: "text", maxlength: "120", value: "closed by an operator" });
    const cancel = () => this.form.replaceChildren();
    const form = el("form", { class: "ask", onsubmit: (event) => {
      event.preventDefault();
      this.link.send(request({ code: Number(code.value), reason: reason.value }));
      cancel();
    }, onkeydown: (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      cancel();
    } },
      el("p", {}, title), el("div", { class: "fields" }, el("label", {}, "Code", code), el("label", {}, "Reason", reason)),
      el("div", { class: "buttons" }, el("button", { class: "danger solid" }, "Close"), el("button", { type: "button", class: "quiet", onclick: cancel }, "Cancel")));
    this.form.replaceChildren(form);
    form.querySelector(".solid").focus();
  }

  toggleWatch() {
    // Asked before the answer arrives: whoever selects another connection meanwhile ends this watch too.
    this.isWatchAsked = this.watched === undefined;
    this.link.send(this.isWatchAsked ? { type: "watch", id: this.id } : { type: "unwatch" });
  }

  /** The server shows the messages of this connection from now on, or of none. */
  watching(id) {
    this.watched = id === this.id ? id : undefined;
    this.showWatch();
  }

  showWatch() {
    const isOn = this.watched !== undefined, isEmpty = this.log.childElementCount === 0;
    this.watch.hidden = !this.settings.shows_messages || this.row === null;
    write(this.watch, isOn ? "Stop" : "Watch");
    this.watch.classList.toggle("active", isOn);
    const note = this.settings.shows_messages
      ? isOn ? "Waiting for a message." : "Messages are not shown until you watch them."
      : "This inspector shows no messages: Inspector::messages enables them.";
    write(this.logNote, note);
    this.logNote.hidden = !isEmpty;
    this.log.hidden = isEmpty;
  }

  /** Adds messages to the log. */
  messages({ id, items, dropped }) {
    if (id !== this.watched) return;
    const isAtEnd = this.log.scrollTop + this.log.clientHeight >= this.log.scrollHeight - 8;
    this.log.append(...items.map(entry));
    if (dropped) this.log.append(el("li", { class: "dropped" }, `${count(dropped)} more messages are left out`));
    while (this.log.childElementCount > MAX_ENTRIES) this.log.firstElementChild.remove();
    this.showWatch();
    if (isAtEnd) this.log.scrollTop = this.log.scrollHeight;
  }
}

function entry({ time, is_sent, is_binary, is_part, len, content, is_hex, is_cut }) {
  const kind = [is_binary ? "binary" : "text", is_part && "part", bytes(len)].filter(Boolean).join(", ");
  const text = content === null ? el("span", { class: "muted" }, "hidden") : el("code", { class: is_hex ? "hex" : "" }, content, is_cut && "…");
  return el("li", { class: is_sent ? "sent" : "received" },
    el("div", { class: "meta" }, el("span", { class: "direction" }, is_sent ? "← sent" : "→ received"), el("span", {}, kind), el("time", {}, clock(time))), text);
}
