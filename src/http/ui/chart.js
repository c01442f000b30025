// A chart of lines over time: an SVG of our own, drawn anew when it has changed. Owns
// the axes, the lines and the moment that is pointed at; does not own the values.

import { byId, el, setAttribute, setText, svg } from "./dom.js";
import { clock, compact } from "./format.js";
import { niceTicks, timeTicks } from "./ticks.js";

const TOP = 8;
const RIGHT = 8;
const BOTTOM = 20;
const LEFT = 44;

export class LineChart {
  #holder;
  #names;
  #drawing = svg("svg", { "aria-hidden": "true" });
  #grid = svg("g", { class: "grid" });
  #marks = svg("g", { class: "marks" });
  #pointer = svg("line", { class: "pointer", visibility: "hidden" });
  #paths;
  #area;
  #size = { width: 0, height: 0 };
  #shown = null;
  #at = null;
  #onPoint;

  /**
   * Into the element `id`, with a line of a class each; `onPoint(time)` says what is
   * there, or with `null` what is now, and returns it as a sentence.
   */
  constructor(id, { names, hasArea = false, onPoint }) {
    this.#holder = byId(id);
    this.#names = names;
    this.#onPoint = onPoint;
    this.#area = hasArea ? svg("path", { class: "area" }) : null;
    this.#paths = names.map((name) => svg("path", { class: `line ${name}` }));
    this.#drawing.append(this.#grid, ...(this.#area ? [this.#area] : []), ...this.#paths, this.#marks, this.#pointer);
    this.#holder.append(this.#drawing);
    new ResizeObserver(([{ contentRect }]) => this.#resize(contentRect)).observe(this.#holder);
    this.#holder.addEventListener("pointermove", (event) => this.#pointAt(this.#timeOf(event.offsetX)));
    this.#holder.addEventListener("pointerleave", () => this.#pointAt(null));
    this.#holder.addEventListener("blur", () => this.#pointAt(null));
    this.#holder.addEventListener("keydown", (event) => this.#key(event));
  }

  #resize({ width, height }) {
    this.#size = { width: Math.floor(width), height: Math.floor(height) };
    if (this.#shown) this.draw(this.#shown);
  }

  /** `marks` are moments with a class; `base` is a value that is always in sight. */
  draw(shown) {
    this.#shown = shown;
    const { width, height } = this.#size;
    if (width < LEFT + RIGHT + 10 || height < 40) return;
    const { start, end, lines, marks = [], base = null } = shown;
    setAttribute(this.#drawing, "viewBox", `0 0 ${width} ${height}`);
    const values = lines.flat().filter((point) => point !== null).map((point) => Number(point.value));
    if (base !== null) values.push(base);
    const known = values.length > 0;
    const ticks = niceTicks(known ? min(values) : 0, known ? max(values) : 1, height < 120 ? 2 : 4);
    const x = (time) => LEFT + ((time - start) / (end - start)) * (width - LEFT - RIGHT);
    const floor = height - BOTTOM;
    const y = (value) => floor - ((value - ticks[0]) / (ticks.at(-1) - ticks[0])) * (floor - TOP);
    this.#axes(ticks, timeTicks(start, end, Math.max(2, Math.floor(width / 90))), x, y);
    const drawn = lines.map((points) => pieces(points, x, y, LEFT, width - RIGHT));
    drawn.forEach((found, index) => setAttribute(this.#paths[index], "d", path(found)));
    if (this.#area) setAttribute(this.#area, "d", area(drawn[0], floor));
    this.#mark(marks.filter(({ time }) => time >= start && time <= end), x, floor);
    this.#point(x);
  }

  #mark(marks, x, floor) {
    let last = -Infinity;
    const parts = [];
    for (const { time, name } of marks.toSorted((one, other) => one.time - other.time)) {
      const at = x(time);
      // Those that would lie on each other are one.
      if (at - last < 8) continue;
      last = at;
      parts.push(svg("path", { class: name, d: `M${at - 4},${floor - 4}l8,8m0,-8l-8,8` }));
    }
    this.#marks.replaceChildren(...parts);
  }

  #axes(ticks, moments, x, y) {
    const { width, height } = this.#size;
    const parts = [];
    for (const value of ticks) {
      const at = Math.round(y(value)) + 0.5;
      parts.push(svg("line", { x1: LEFT, x2: width - RIGHT, y1: at, y2: at }));
      parts.push(svg("text", { x: LEFT - 6, y: at + 4, "text-anchor": "end" }, compact(value)));
    }
    for (const moment of moments) {
      const at = x(moment);
      // A label that would be cut is left out.
      if (at < LEFT + 20 || at > width - 26) continue;
      parts.push(svg("text", { x: at, y: height - 4, "text-anchor": "middle" }, clock(moment).slice(0, this.#digits())));
      parts.push(svg("line", { x1: at, x2: at, y1: height - BOTTOM, y2: height - BOTTOM + 4 }));
    }
    this.#grid.replaceChildren(...parts);
  }

  /** Seconds where they make a difference. */
  #digits() {
    return this.#shown.end - this.#shown.start > 600_000 ? 5 : 8;
  }

  #timeOf(offset) {
    if (!this.#shown) return null;
    const share = (offset - LEFT) / (this.#size.width - LEFT - RIGHT);
    const { start, end } = this.#shown;
    return share < 0 || share > 1 ? null : start + share * (end - start);
  }

  #key(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (step === undefined || !this.#shown) return;
    event.preventDefault();
    const { start, end } = this.#shown;
    const moved = (this.#at ?? end) + step * ((end - start) / 100);
    this.#pointAt(Math.min(end, Math.max(start, moved)));
  }

  #pointAt(time) {
    if (time === null && this.#at === null) return;
    this.#at = time;
    if (this.#shown) this.draw(this.#shown);
  }

  #point(x) {
    const { start, end } = this.#shown;
    if (this.#at !== null && (this.#at < start || this.#at > end)) this.#at = null;
    setAttribute(this.#pointer, "visibility", this.#at === null ? "hidden" : "visible");
    if (this.#at !== null) {
      const at = x(this.#at);
      for (const [name, value] of [["x1", at], ["x2", at], ["y1", TOP], ["y2", this.#size.height - BOTTOM]]) {
        setAttribute(this.#pointer, name, value);
      }
    }
    const said = this.#onPoint(this.#at);
    setAttribute(this.#holder, "aria-valuetext", said);
    const share = this.#at === null ? 100 : ((this.#at - start) / (end - start)) * 100;
    setAttribute(this.#holder, "aria-valuenow", Math.round(share));
  }
}

// Not `Math.min(...)`: a line may have more points than a call has arguments.
const min = (values) => values.reduce((least, value) => Math.min(least, value));
const max = (values) => values.reduce((most, value) => Math.max(most, value));

const LEAST = 60_000;

/**
 * Where a chart of a window begins of which nothing is known before `begun`: what there
 * is would else be a sliver at its end.
 */
export function startOf(start, end, begun) {
  if (begun === null || begun > end) return start;
  return Math.max(start, Math.min(begun, end - LEAST));
}

/**
 * Lines without gaps, as places in the drawing, cut where they leave it at either side:
 * on the line, and not where the next point happens to be.
 */
function pieces(points, x, y, left, right) {
  const found = [];
  let before = null;
  for (const point of points) {
    if (point === null) {
      before = null;
      continue;
    }
    const place = { x: x(point.time), y: y(Number(point.value)) };
    if (before === null || before.x < left || before.x > right) {
      const isNew = place.x >= left && place.x <= right;
      if (isNew || (before !== null && before.x < left && place.x > right)) found.push([]);
      if (before !== null && found.length > 0 && before.x < left && place.x > left) found.at(-1).push(between(before, place, left));
    }
    if (place.x >= left && place.x <= right) found.at(-1).push(place);
    else if (before !== null && before.x <= right && place.x > right) found.at(-1).push(between(before, place, right));
    before = place;
  }
  return found.filter((piece) => piece.length > 0);
}

function between(one, other, x) {
  return { x, y: one.y + ((other.y - one.y) * (x - one.x)) / (other.x - one.x) };
}

const joined = (piece) => piece.map((place) => `${place.x.toFixed(1)},${place.y.toFixed(1)}`).join("L");

const path = (found) => found.map((piece) => `M${joined(piece)}`).join("");

/** What is below a line. */
const area = (found, floor) =>
  found.map((piece) => `M${piece[0].x.toFixed(1)},${floor}L${joined(piece)}L${piece.at(-1).x.toFixed(1)},${floor}Z`).join("");

/** A legend's entry: a stroke as the line has it, its name and its value. */
export function legend(name, label) {
  const value = el("b", { class: "value" });
  const stroke = svg("svg", { class: "stroke", viewBox: "0 0 16 8", "aria-hidden": "true" });
  stroke.append(svg("path", { class: `line ${name}`, d: "M0,4H16" }));
  const entry = el("span", { class: "legend" }, stroke, `${label} `, value);
  return { entry, say: (text) => setText(value, text) };
}
