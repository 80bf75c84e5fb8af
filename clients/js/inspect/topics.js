// The topics of hubs.

import { el } from "../docs/dom.js";
import { nodes, number, text, write } from "./columns.js";
import { Facts } from "./details.js";
import { count, shortType } from "./format.js";

const history = (row) => (!row.has_history ? "–" : row.history === null ? "at the broker" : count(row.history));

export const TOPIC_COLUMNS = [
  text("name", "Topic", (row) => row.name, { sort: "name", hint: (row) => row.name }),
  text("values", "Values", (row) => shortType(row.values), { hint: (row) => row.values }),
  number("subscribers", "Subscribers", (row) => count(row.subscribers), { sort: "subscribers" }),
  number("members", "Members", (row) => count(row.members), { sort: "members" }),
  number("history", "History", history),
  nodes("lag", "Lag", (row) => el("span", { class: row.lag > 0 ? "warn" : "muted" }, row.lag > 0 ? count(row.lag) : "–"), { isNumber: true }),
];

/** A panel about the selected topic. */
export class TopicDetails {
  constructor(onclose) {
    this.title = el("h2", {});
    this.facts = new Facts(["Values", "Subscribers", "Watchers of members", "History", "Waiting messages", "Reach"]);
    this.members = el("ul", { class: "members-list" });
    this.note = el("p", { class: "muted" });
    this.element = el("aside", { class: "details", hidden: true, "aria-label": "Topic" },
      el("header", {}, el("div", { class: "names" }, this.title),
        el("button", { type: "button", class: "quiet close", "aria-label": "Close the details", title: "Esc", onclick: onclose }, "×")),
      el("div", { class: "scroll" }, this.facts.element, el("section", {}, el("h3", {}, "Members"), this.note, this.members)));
  }

  show(details, broker) {
    this.element.hidden = details === undefined;
    if (!details) return;
    const { topic, members } = details;
    write(this.title, topic.name);
    const stored = topic.has_history ? `${history(topic)}${topic.offset === null ? "" : `, last offset ${count(topic.offset)}`}` : "none";
    this.facts.show([shortType(topic.values), count(topic.subscribers), count(topic.watchers), stored,
      topic.waiting === 0 ? "none" : `${count(topic.waiting)}, up to ${count(topic.lag)} for one subscriber`,
      topic.is_local || broker?.connected == null ? "this process" : "all processes of the hub"]);
    const more = topic.members - members.length;
    write(this.note, topic.members === 0 ? "No connection has joined: Context::join adds members."
      : more > 0 ? `The first ${count(members.length)} of ${count(topic.members)} members.` : `${count(topic.members)} ${topic.members === 1 ? "member" : "members"}.`);
    const shown = JSON.stringify(members);
    if (shown !== this.shown) {
      this.shown = shown;
      this.members.replaceChildren(...members.map(({ id, name }) => el("li", {}, el("span", {}, name), el("code", { class: "muted" }, id))));
    }
  }
}

/** The state of a hub's broker, in a line. */
export function brokerLine({ is_closed, connected, server, connects, received, sent }) {
  const state = is_closed ? "closed" : connected === null ? "local" : connected ? "connected" : "disconnected";
  const texts = { closed: "The hub is closed", local: "One process, no broker", connected: `Connected to ${server}`, disconnected: `Disconnected from ${server}` };
  const figures = connected === null ? "" : ` · ${count(received)} messages in, ${count(sent)} out${connects > 1 ? `, ${count(connects - 1)} reconnects` : ""}`;
  return el("span", { class: "broker", "data-state": state }, texts[state] + figures);
}
