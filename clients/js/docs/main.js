// The page of a router's documentation: `Router::docs` puts the contract, its examples and the page's path into `data`.

import { Console } from "./console.js";
import { el } from "./dom.js";
import { handlerSection, itemsOf, slug } from "./sections.js";
import { markdown } from "./markdown.js";

const data = JSON.parse(document.getElementById("data").textContent);
const { contract: { handlers }, examples, info, path, servers } = data;

// The address of the router: the page's own without its path in the router.
const here = decodeURI(location.pathname);
const prefix = here.endsWith(path) ? location.pathname.slice(0, location.pathname.length - path.length) : "";
const base = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${prefix}`;
const bases = [base, ...Object.values(servers ?? {}).map(({ host, protocol, pathname = "" }) => `${protocol}://${host}${pathname}`)];

/** Whether the contents are beside the text. */
const wide = matchMedia("(min-width: 900px)");

const endpoints = handlers.map((handler, index) => ({ handler, items: itemsOf(handler, examples[index]), examples: examples[index] }));
const terminal = new Console(endpoints, bases);

function navigation() {
  const link = (id, ...text) => el("a", { href: `#${encodeURIComponent(id)}` }, text);
  const group = ({ handler, items }) => el("li", {},
    link(slug(handler), el("strong", {}, handler.name), el("code", {}, handler.path)),
    el("ul", {}, items.map(({ id, name, side, kind }) => el("li", {},
      link(id, el("span", { class: `kind ${side}`, "aria-hidden": "true" }, side === "client" ? "→" : "←"),
        el("span", { class: "name" }, name), kind === "call" && el("span", { class: "tag" }, "call"))))));
  const file = (name) => el("a", { href: `${prefix}${path.replace(/\/+$/, "")}/${name}` }, name);
  return el("nav", { "aria-label": "Reference" },
    el("a", { class: "title", href: "#top" }, info.title),
    el("details", { class: "menu", open: wide.matches },
      el("summary", {}, "Contents"),
      el("ul", { class: "endpoints" }, endpoints.map(group)),
      el("p", { class: "files" }, file("contract.json"), file("asyncapi.json"), file("asyncapi.yaml"))));
}

function introduction() {
  return el("header", { id: "top" },
    el("h1", {}, info.title),
    el("p", { class: "facts" }, el("span", {}, `Version ${info.version}`), el("span", {}, el("code", {}, base))),
    markdown(info.description),
    handlers.length === 0 && el("p", {}, "No handler is mounted."));
}

document.title = `${info.title}: API reference`;
document.body.append(
  el("a", { class: "skip", href: "#main" }, "Skip to the reference"),
  navigation(),
  el("main", { id: "main", tabindex: "-1" }, introduction(), endpoints.map((endpoint) => handlerSection(endpoint, base, terminal))),
  terminal.element,
);

// The elements did not exist when the browser looked for the fragment.
const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
if (target) target.scrollIntoView();

// On small screens the contents close after a choice.
const menu = document.querySelector(".menu");
wide.addEventListener("change", () => (menu.open = wide.matches));
menu.addEventListener("click", (event) => {
  if (event.target.closest("a") && !wide.matches) menu.open = false;
});
