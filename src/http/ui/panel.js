// The panel of one rocket beside the table: its state, its speed over time, its
// timeline, what it waits for, and all of it as JSON. Does not own its data
// (`rocket`).

import { now } from "./clock.js";
import { LineChart, legend, startOf } from "./chart.js";
import { copyButton } from "./copy.js";
import { byId, el, setAttribute, setHidden, setText } from "./dom.js";
import { ago, duration, moment, near, NOTHING, number, plural, visible, visibleJson } from "./format.js";
import { icon } from "./icons.js";
import { pretty } from "./json.js";
import { view } from "./paint.js";
import * as rocket from "./rocket.js";
import * as route from "./route.js";
import { waitLimit } from "./settings.js";
import { focusRow } from "./table.js";
import * as timeline from "./timeline.js";
import { bounds, pauseAt } from "./timewindow.js";

/** What is shown of its state, in this order. */
const FIELDS = {
  Status: (it) => [icon(it.status === "Exploded" ? "exploded" : "launched"), it.status],
  Reason: (it) => (it.explosion_reason === null ? null : [el("bdi", {}, visible(it.explosion_reason))]),
  Mission: (it) => [el("bdi", {}, visible(it.mission))],
  Type: (it) => [el("bdi", {}, visible(it.rocket_type))],
  Speed: (it) => [number(it.speed)],
  "Last message": (it) => [number(it.last_message_number)],
  Updated: (it, row) => [updated(it, row)],
  "Launch time": (it) => [moment(Date.parse(it.launch_time))],
  Lost: (it) => (it.lost_messages ? [plural(it.lost_messages, "message")] : null),
  Conflicts: (it) => (it.conflicts ? [number(it.conflicts)] : null),
};

const speed = legend("speed", "speed");
let chart = null;
/** The ID of the rocket that is shown. */
let drawn = null;

export function begin() {
  byId("speed-legend").append(speed.entry);
  chart = new LineChart("speed-chart", { names: ["speed"], onPoint: tell });
  byId("close-panel").addEventListener("click", close);
  byId("show-past").addEventListener("click", () => {
    const last = rocket.speeds().at(-1);
    // Somewhat behind it, so that it is not on the edge.
    if (last) pauseAt(last.time + 1000);
  });
  copyButton(byId("copy-json"), () => byId("raw").textContent);
  view(["rocket", "window", "stats", "settings"], draw);
  window.addEventListener("resize", cover);
}

/**
 * Whether it covers the table, as on a narrow screen, and so takes the focus: who
 * opened it beside the table may go on there.
 */
const isOver = () => getComputedStyle(byId("panel")).position === "fixed";

/** What it covers is out of reach. */
function cover() {
  const isCovered = rocket.open !== null && isOver();
  for (const node of document.querySelectorAll(".skip, header, #retry, .figures, .cards, .fleet")) node.inert = isCovered;
  if (document.activeElement?.closest("[inert]")) byId("close-panel").focus();
}

export function close() {
  if (rocket.open === null) return;
  const { id } = rocket.open;
  route.go({ rocket: null });
  focusRow(id);
}

function updated(it, row) {
  const time = Date.parse(it.last_update_time);
  return row.isStale ? `silent since ${near(time, now())}` : ago(time, now());
}

function draw() {
  const { open } = rocket;
  // The browser's own way back closes it, too.
  const isLeft = open === null && byId("panel").contains(document.activeElement);
  setHidden(byId("panel"), open === null);
  setAttribute(document.documentElement, "data-panel", open !== null);
  const isAnother = drawn !== (open?.id ?? null);
  const before = drawn;
  drawn = open?.id ?? null;
  if (isAnother) cover();
  if (isLeft) focusRow(before);
  if (open === null) return;
  if (isAnother) {
    byId("panel").scrollTop = 0;
    if (isOver()) byId("close-panel").focus();
  }
  setText(byId("panel-id"), visible(open.id));
  const row = rocket.judged();
  setText(byId("panel-note"), note(open));
  setHidden(byId("panel-note"), note(open) === "");
  setHidden(byId("panel-body"), row === null);
  drawWait(open.gap);
  if (row === null) return;
  drawState(row);
  drawPast(open, row);
  setText(byId("raw"), visibleJson(pretty(row.rocket)));
}

function note({ row, gap, isLoading, error }) {
  if (error) return error;
  if (isLoading && row === null) return "Asking for this rocket…";
  if (row !== null) return "";
  return gap ? "This rocket is not launched yet: its first message is missing." : "There is no such rocket.";
}

function drawState(row) {
  const shown = Object.entries(FIELDS)
    .map(([label, make]) => [label, make(row.rocket, row)])
    .filter(([, value]) => value !== null);
  const state = byId("state");
  const key = JSON.stringify(shown.map(([label, value]) => [label, value.map((part) => part.textContent ?? part)]));
  // Else what is selected in it would not stay so.
  if (state.shownKey === key) return;
  state.shownKey = key;
  state.replaceChildren(...shown.map(([label, value]) => el("div", {}, el("dt", {}, label), el("dd", {}, ...value))));
}

function drawWait(gap) {
  setHidden(byId("panel-wait"), gap === null);
  if (gap === null) return;
  const waited = now() - Date.parse(gap.waiting_since);
  const isOverdue = waited > waitLimit();
  setAttribute(byId("panel-wait"), "data-level", isOverdue ? "overdue" : "waiting");
  const behind = `${plural(gap.buffered_messages, "message")} ${gap.buffered_messages === 1 ? "is" : "are"} there behind it`;
  const limit = isOverdue ? `, over the limit of ${duration(waitLimit())}` : "";
  setText(
    byId("panel-wait-text"),
    `Waits for message ${number(gap.awaited_message_number)} since ${duration(waited)}${limit}; ` +
      `${behind}, up to number ${number(gap.highest_message_number)}.`,
  );
}

function drawPast({ history, hasHistory }, row) {
  const { start, end } = bounds();
  const points = rocket.speeds();
  const inside = timeline.draw(history, { start, end });
  const before = points.findLast(({ time }) => time < start);
  const line = points.filter(({ time }) => time >= start && time <= end);
  // A speed holds until the next message.
  const stepped = [];
  if (before) stepped.push({ time: start, value: before.value });
  for (const point of line) {
    if (stepped.length > 0) stepped.push({ time: point.time, value: stepped.at(-1).value });
    stepped.push(point);
  }
  const isExploded = row.rocket.status === "Exploded";
  const until = isExploded ? Math.min(end, Date.parse(row.rocket.last_update_time)) : end;
  if (stepped.length > 0 && until > stepped.at(-1).time) stepped.push({ time: until, value: stepped.at(-1).value });
  const marks = isExploded ? [{ time: Date.parse(row.rocket.last_update_time), name: "exploded" }] : [];
  // Nor was there a rocket before its launch.
  chart.draw({ start: startOf(start, end, points[0]?.time ?? null), end, lines: [stepped], marks });
  const isSilent = line.length === 0 && inside === 0;
  setHidden(byId("past-none"), !isSilent);
  const last = points.at(-1);
  setText(
    byId("past-note"),
    !hasHistory ? "This service keeps no past of rockets." : last ? `Nothing in this window; its last message is of ${near(last.time, now())}.` : "",
  );
  setHidden(byId("show-past"), !last || !hasHistory);
}

function tell(time) {
  const { end, isLive } = bounds();
  const points = rocket.open ? rocket.speeds() : [];
  const at = time ?? (isLive ? Infinity : end);
  const found = points.findLast((point) => point.time <= at);
  const value = found ? number(found.value) : NOTHING;
  speed.say(value);
  return found ? `speed ${value} at ${moment(time ?? found.time)}` : "no speed is known";
}
