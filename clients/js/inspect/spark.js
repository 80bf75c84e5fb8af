// Sparklines.

import { svg } from "../docs/dom.js";

/** A line of the last values, scaled to the largest one. */
export class Sparkline {
  constructor(width, height, length, name) {
    Object.assign(this, { width, height, length });
    this.area = svg("polygon", { class: "area" });
    this.line = svg("polyline", { class: "line" });
    this.element = svg("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none",
      ...(name ? { role: "img", "aria-label": name } : { "aria-hidden": "true" }) }, this.area, this.line);
  }

  /** Draws values, of which the newest is at the end. `from` is the value of the base line. */
  draw(values, from = 0) {
    const largest = Math.max(from + 1, ...values), step = this.width / (this.length - 1);
    const start = this.width - (values.length - 1) * step, room = this.height - 3;
    const points = values.map((value, index) =>
      `${(start + index * step).toFixed(1)},${(this.height - 1.5 - (room * (value - from)) / (largest - from)).toFixed(1)}`);
    const line = points.join(" ");
    if (line === this.drawn) return;
    this.drawn = line;
    this.line.setAttribute("points", line);
    this.area.setAttribute("points", values.length > 1 ? `${start.toFixed(1)},${this.height} ${line} ${this.width},${this.height}` : "");
    this.element.classList.toggle("flat", values.every((value) => value === from));
  }
}
