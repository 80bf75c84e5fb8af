// The page of an inspector: `Router::inspect`.

import { el } from "../docs/dom.js";
import { nodes, number, spark, text, write } from "./columns.js";
import { Details } from "./details.js";
import { Endpoints } from "./endpoints.js";
import { age, bytes, count, rate, shortType } from "./format.js";
import { Link } from "./link.js";
import { Sparkline } from "./spark.js";
import { Table } from "./table.js";
import { TOPIC_COLUMNS, TopicDetails, brokerLine } from "./topics.js";

const COLUMNS = [
  number("id", "#", (row) => String(row.id), { sort: "id" }),
  text("handler", "Handler", (row) => shortType(row.handler), { sort: "handler", hint: (row) => row.handler }),
  nodes("state", "State", (row) => el("span", { class: "state", "data-state": row.state }, row.state), { sort: "state" }),
  text("peer", "Client", (row) => row.peer || "unknown", { sort: "peer", hint: (row) => row.peer }),
  nodes("tags", "Tags", (row) => [...row.tags.map((tag) => el("span", { class: "tag" }, tag)), row.more_tags > 0 && el("span", { class: "muted" }, `+${row.more_tags}`)]),
  number("age", "Open for", (row) => age(row.age), { sort: "age" }),
  number("received", "Received", (row) => rate(row.received_rate), { sort: "received", hint: (row) => `${bytes(row.received)} in total` }),
  number("sent", "Sent", (row) => rate(row.sent_rate), { sort: "sent", hint: (row) => `${bytes(row.sent)} in total` }),
  number("buffered", "Waiting", (row) => (row.buffered ? bytes(row.buffered) : "–"), { sort: "buffered", hint: () => "Bytes that the client has not read" }),
  spark("activity", "Activity", (row) => row.rates),
];

const TABS = [["connections", "Connections"], ["endpoints", "Endpoints"], ["topics", "Topics"]];
const STATES = ["idle", "in method", "closing", "unresponsive"];

const settings = { may_act: false, shows_messages: false, endpoints: [], hubs: [] };
let tab = "connections", selected, topic, hub = 0;
const queries = { connections: "", endpoints: "", topics: "" };

// The header.

const badge = el("span", { class: "badge", hidden: true });
const live = el("span", { class: "live", role: "status", "data-state": "connecting" }, "Connecting");
const tabButtons = TABS.map(([name, label], index) => el("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "main", title: `Key ${index + 1}`, onclick: () => showTab(name) }, label));
const tabs = el("div", { class: "tabs", role: "tablist" }, tabButtons);

// The totals.

function tile(label, length) {
  const value = el("strong", {}, "–"), sparkline = length && new Sparkline(160, 32, length, `${label} in the last samples`);
  return { value, sparkline, element: el("div", { class: "tile" }, el("div", {}, el("span", { class: "label" }, label), value), sparkline?.element) };
}

const tiles = { connections: tile("Connections", 60), received: tile("Received", 60), sent: tile("Sent", 60) };
const buffered = tile("Waiting for clients");
const bar = el("span", { class: "bar", "aria-hidden": "true" }, STATES.map((state) => el("i", { "data-state": state })));
const legend = el("span", { class: "legend" }, STATES.map((state) => el("span", { class: "state", "data-state": state })));
const states = el("div", { class: "tile states" }, el("span", { class: "label" }, "States"), bar, legend);

// The toolbar and the lists.

const search = el("input", { type: "search", placeholder: "Search", "aria-label": "Search", spellcheck: "false", autocomplete: "off",
  oninput: () => { queries[tab] = search.value; changed(); }, onkeydown: leaveSearch });
const matched = el("span", { class: "matched", role: "status" });
const hubs = el("select", { "aria-label": "Hub", hidden: true, onchange: () => { hub = hubs.selectedIndex; request(); } });
const broker = el("span", {});

const request = () => link.show({ tab, query: queries[tab], selected, hub, topic, ...(lists[tab]?.window ?? {}), limit: lists[tab]?.window.limit ?? 0 });
/** Another query has other rows. */
function changed() {
  lists[tab]?.reset();
  if (tab === "endpoints") filterEndpoints();
  request();
}

const connections = new Table({ label: "Connections", columns: COLUMNS, keyOf: (row) => row.id, onview: request, onopen: (row) => select(row.id), sort: { by: "id", isDescending: true } });
const topics = new Table({ label: "Topics", columns: TOPIC_COLUMNS, keyOf: (row) => row.name, onview: request, onopen: (row) => selectTopic(row.name), sort: { by: "name", isDescending: false } });
const lists = { connections, topics };
const endpoints = new Endpoints((handler) => { queries.connections = shortType(handler).split("<")[0]; showTab("connections"); });
const topicDetails = new TopicDetails(() => selectTopic());

const link = new Link(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${location.pathname}${location.search}`, {
  state: showState,
  hello(event) {
    Object.assign(settings, event);
    badge.hidden = false;
    write(badge, event.may_act ? "can look and act" : "can look");
    endpoints.set(event.endpoints);
    hubs.replaceChildren(...event.hubs.map((name) => el("option", {}, name)));
    hub = 0;
    // The server may be another one, with other connections of the same numbers.
    selected = topic = undefined;
    details.select(undefined);
    connections.mark(undefined);
    topics.mark(undefined);
    showTab(tab);
  },
  view: showView,
  messages: (event) => details.messages(event),
  watching: ({ id }) => details.watching(id ?? undefined),
  closed: ({ count: closed }) => notify(closed === 1 ? "1 connection is closing" : `${count(closed)} connections are closing`),
});

const details = new Details({ link, settings, onclose: () => select(), endpointsOf: (handler) => settings.endpoints.filter((endpoint) => endpoint.handler === handler) });
const notice = el("div", { class: "notice", role: "status", hidden: true });
const help = el("dialog", { class: "help", onclick: (event) => event.target === help && help.close() },
  el("h2", {}, "Keys"),
  el("dl", {}, [["/", "search"], ["1 2 3", "connections, endpoints, topics"], ["↑ ↓  j k", "move"], ["Enter", "open the details"], ["w", "watch or stop watching messages"], ["Esc", "close the details, leave the search"], ["?", "this list"]]
    .map(([keys, meaning]) => el("div", {}, el("dt", {}, el("kbd", {}, keys)), el("dd", {}, meaning)))),
  el("form", { method: "dialog" }, el("button", { class: "quiet" }, "Close")));

function notify(message) {
  write(notice, message);
  notice.hidden = false;
  clearTimeout(notify.timer);
  notify.timer = setTimeout(() => (notice.hidden = true), 4000);
}

function showState(state, reason) {
  live.setAttribute("data-state", state);
  write(live, { connecting: "Connecting", open: "Live", closed: reason || "Disconnected" }[state]);
  document.body.classList.toggle("stale", state !== "open");
}

function showView(event) {
  const { totals, history, interval } = event;
  write(live, interval > 1000 ? `Live, every ${(interval / 1000).toFixed(0)} s` : "Live");
  write(tiles.connections.value, count(totals.connections));
  write(tiles.received.value, `${bytes(totals.received)}/s`);
  write(tiles.sent.value, `${bytes(totals.sent)}/s`);
  write(buffered.value, bytes(totals.buffered));
  Object.values(tiles).forEach(({ sparkline }, index) => sparkline.draw(history.map((point) => point[index])));
  STATES.forEach((state, index) => {
    const number = totals[state.replace(" ", "_")];
    bar.children[index].style.setProperty("flex-grow", number);
    write(legend.children[index], `${count(number)} ${state}`);
    legend.children[index].hidden = number === 0 && state !== "idle";
  });
  endpoints.count(totals.handlers);
  // A report about an earlier view has rows of another query or order.
  if (event.number !== link.number) return;
  details.show(event.selected ?? undefined, event.details);
  if (event.connections) {
    connections.show(event.connections, emptyNote(event.connections, "No connection is open.", "They appear here when clients connect."));
    showMatched(event.connections, "connections");
  }
  if (event.topics) {
    topics.show(event.topics, emptyNote(event.topics, "This hub has no topic.", "A topic exists while a handler or the program holds it."));
    showMatched(event.topics, "topics");
    topicDetails.show(topic === undefined ? undefined : event.topic, event.broker);
  }
  if (event.broker) broker.replaceChildren(brokerLine(event.broker));
}

function emptyNote({ total }, title, text) {
  return total === 0 ? el("div", {}, el("strong", {}, title), el("p", {}, text))
    : el("div", {}, el("strong", {}, "Nothing matches the search."), el("p", {}, el("button", { type: "button", class: "quiet", onclick: clearSearch }, "Clear the search")));
}

function showMatched({ matched: found, total }, what) {
  write(matched, found === total ? `${count(total)} ${what}` : `${count(found)} of ${count(total)} ${what}`);
}

function clearSearch() {
  search.value = queries[tab] = "";
  changed();
  search.focus();
}

function leaveSearch(event) {
  if (event.key === "Escape" && search.value === "") search.blur();
  else if (event.key === "Escape") clearSearch();
  else if (event.key === "ArrowDown" || event.key === "Enter") lists[tab]?.body.focus();
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function select(id) {
  selected = id;
  details.select(id);
  connections.mark(id);
  request();
}

function selectTopic(name) {
  topic = name;
  topics.mark(name);
  if (name === undefined) topicDetails.show(undefined);
  request();
}

const noHub = el("div", { class: "empty" }, el("strong", {}, "No hub is known."), el("p", {}, "Inspector::hub shows the topics of a hub here."));

function showTab(name) {
  tab = name;
  tabButtons.forEach((button, index) => {
    button.setAttribute("aria-selected", TABS[index][0] === name);
    button.setAttribute("tabindex", TABS[index][0] === name ? "0" : "-1");
  });
  const hasHub = settings.hubs.length > 0;
  connections.element.hidden = name !== "connections";
  topics.element.hidden = name !== "topics" || !hasHub;
  noHub.hidden = name !== "topics" || hasHub;
  endpoints.element.hidden = name !== "endpoints";
  details.element.hidden = name !== "connections" || selected === undefined;
  topicDetails.element.hidden = name !== "topics" || topic === undefined;
  hubs.hidden = name !== "topics" || settings.hubs.length < 2;
  broker.hidden = name !== "topics" || !hasHub;
  search.value = queries[name];
  document.getElementById("main").setAttribute("aria-labelledby", `tab-${name}`);
  write(matched, "");
  if (name === "endpoints") filterEndpoints();
  request();
}

function filterEndpoints() {
  const shown = endpoints.filter(queries.endpoints);
  showMatched({ matched: shown, total: settings.endpoints.length }, "endpoints");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "Escape" && tab === "connections" && selected !== undefined) return select();
  if (event.key === "Escape" && tab === "topics" && topic !== undefined) return selectTopic();
  if (isTyping) return;
  if (event.key === "/") {
    event.preventDefault();
    search.focus();
    search.select();
  } else if (event.key === "?") {
    help.showModal();
  } else if (event.key === "w" && selected !== undefined && !details.watch.hidden) {
    details.toggleWatch();
  } else if (TABS[Number(event.key) - 1]) {
    showTab(TABS[Number(event.key) - 1][0]);
  } else if (["ArrowDown", "ArrowUp", "j", "k"].includes(event.key) && event.target === document.body) {
    lists[tab]?.body.focus();
    lists[tab]?.key(event);
  }
});
tabs.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const at = (TABS.findIndex(([name]) => name === tab) + step + TABS.length) % TABS.length;
  showTab(TABS[at][0]);
  tabButtons[at].focus();
});

document.title = `Inspector · ${location.host}`;
document.body.append(
  el("header", { class: "top" },
    el("div", { class: "brand" }, el("h1", {}, "Inspector"), el("span", { class: "muted" }, location.host)),
    tabs,
    el("div", { class: "right" }, badge, live, el("button", { type: "button", class: "quiet", "aria-label": "Keys", title: "Keys", onclick: () => help.showModal() }, "?"))),
  el("div", { class: "tiles" }, Object.values(tiles).map(({ element }) => element), buffered.element, states),
  el("main", { id: "main", role: "tabpanel" },
    el("div", { class: "toolbar" }, el("div", { class: "search" }, search, el("kbd", {}, "/")), hubs, matched, broker),
    el("div", { class: "content" }, connections.element, topics.element, noHub, endpoints.element, details.element, topicDetails.element)),
  notice, help);
showTab("connections");
