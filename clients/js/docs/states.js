// The states of a handler as a diagram: a column in the order in which they are reached, steps to the next one in
// between, other steps beside the column.

import { svg } from "./dom.js";

const HEIGHT = 38, GAP = 62, LINE = 15, RADIUS = 10;

const EVENTS = { on_call: "call", on_message: "message", on_text: "message", on_binary: "message", after: "timer", every: "timer" };

/** Returns a step in words: its name, and the kind of its event. */
export const stepOf = ({ name, event }) => `${name} (${EVENTS[event] ?? event})`;

/** Returns the names of the states, the reached ones in the order of the steps. */
function inOrder(states, transitions) {
  const names = states.map(({ name }) => name);
  const ordered = states.filter(({ is_initial }) => is_initial).map(({ name }) => name);
  for (const name of ordered) {
    for (const { from, to } of transitions) if (from === name && !ordered.includes(to)) ordered.push(to);
  }
  return [...ordered.filter((name) => names.includes(name)), ...names.filter((name) => !ordered.includes(name))];
}

const widthOf = (texts) => Math.max(0, ...texts.map((text) => text.length)) * 6.9;

export function diagram(states, transitions, title) {
  const names = inOrder(states, transitions);
  const nodeWidth = Math.max(90, widthOf(names) + 34);
  const edges = new Map();
  for (const step of transitions) {
    const from = names.indexOf(step.from), to = names.indexOf(step.to);
    if (from < 0 || to < 0) continue;
    const key = `${from} ${to}`;
    if (!edges.has(key)) edges.set(key, { from, to, texts: [] });
    edges.get(key).texts.push(stepOf(step));
  }
  const all = [...edges.values()];
  const straight = all.filter(({ from, to }) => to === from + 1);
  const half = nodeWidth / 2;
  // Labels of straight steps are at the right of the column.
  const inner = Math.max(half, widthOf(straight.flatMap(({ texts }) => texts)) + 14);
  const right = lanes(all.filter(({ from, to }) => to === from || to > from + 1), inner);
  const left = lanes(all.filter(({ from, to }) => to < from), half);
  const x = left.width + 2, width = x + right.width + 2;
  const gap = Math.max(GAP, ...all.map(({ texts }) => texts.length * LINE + 34));
  const top = (index) => 2 + index * (HEIGHT + gap);
  const middle = (index) => top(index) + HEIGHT / 2;
  const height = top(names.length - 1) + HEIGHT + 4;
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": title, class: "diagram" },
    svg("defs", {}, svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" },
      svg("path", { d: "M0 0 8 4 0 8z" }))));
  for (const { from, to, texts } of straight) {
    drawing.append(edge(`M${x} ${top(from) + HEIGHT}V${top(to) - 1}`), label(texts, x + 10, (top(from) + HEIGHT + top(to)) / 2, "start"));
  }
  for (const [side, { placed }] of [[1, right], [-1, left]]) {
    for (const { from, to, texts, at } of placed) {
      const bend = x + side * at, start = x + side * half, end = start + side;
      // A step to the same state leaves above the middle and returns below.
      const down = to >= from ? 1 : -1, y1 = middle(from) + (to === from ? -9 : 7 * down), y2 = middle(to) - (to === from ? -9 : 7 * down);
      const r = Math.min(RADIUS, Math.abs(y2 - y1) / 2);
      drawing.append(edge(`M${start} ${y1}H${bend - side * r}Q${bend} ${y1} ${bend} ${y1 + r * down}V${y2 - r * down}Q${bend} ${y2} ${bend - side * r} ${y2}H${end}`),
        label(texts, bend + side * 8, (y1 + y2) / 2, side > 0 ? "start" : "end"));
    }
  }
  for (const [index, name] of names.entries()) {
    const isInitial = states.find((state) => state.name === name).is_initial;
    drawing.append(svg("rect", { x: x - half, y: top(index), width: nodeWidth, height: HEIGHT, rx: 8, class: isInitial ? "initial" : "state" }),
      svg("text", { x, y: middle(index) + 4.5, "text-anchor": "middle", class: "state-name" }, name));
  }
  return drawing;
}

/** Places steps beside the column so that those with common rows have lanes of their own, short ones inside. */
function lanes(edges, inner) {
  const placed = [], used = [];
  const sorted = [...edges].sort((a, b) => Math.abs(a.to - a.from) - Math.abs(b.to - b.from));
  for (const edge of sorted) {
    const low = Math.min(edge.from, edge.to), high = Math.max(edge.from, edge.to);
    let lane = used.findIndex((rows) => rows.every(([from, to]) => high <= from && low !== high || low >= to && low !== high));
    if (lane < 0) lane = used.push([]) - 1;
    used[lane].push([low, high]);
    placed.push({ ...edge, lane });
  }
  let at = inner + 22;
  const offsets = used.map((_, lane) => {
    const here = at;
    at += widthOf(placed.filter((edge) => edge.lane === lane).flatMap(({ texts }) => texts)) + 26;
    return here;
  });
  return { placed: placed.map((edge) => ({ ...edge, at: offsets[edge.lane] })), width: placed.length ? at - 12 : inner };
}

const edge = (d) => svg("path", { d, class: "edge", "marker-end": "url(#arrow)" });

function label(texts, x, y, anchor) {
  const first = y - ((texts.length - 1) * LINE) / 2 + 4;
  return texts.map((text, index) => svg("text", { x, y: first + index * LINE, "text-anchor": anchor, class: "step" }, text))
    .reduce((group, text) => (group.append(text), group), svg("g"));
}
