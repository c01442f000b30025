// The one stretch of time that chart, timeline and feed show: the last minutes, or
// as many up to a moment at which it was paused.

import { now } from "./clock.js";
import { byId, setAttribute, setText } from "./dom.js";
import { near } from "./format.js";
import { paint, view } from "./paint.js";

const MINUTE = 60_000;

let span = 5 * MINUTE;
/** Where it ends; `null` while it is live. */
let end = null;

/** From when to when, and whether that goes on. */
export function bounds() {
  const until = end ?? now();
  return { start: until - span, end: until, isLive: end === null };
}

/** It may be a moment to come: clocks of rockets may be any. */
export function pauseAt(moment) {
  end = moment;
  paint("window");
}

export function live() {
  end = null;
  paint("window");
}

function shift(direction) {
  const moment = bounds().end + (direction * span) / 2;
  if (moment >= now()) live();
  else pauseAt(moment);
}

export function begin() {
  const choice = byId("span");
  span = Number(choice.value) * MINUTE;
  choice.addEventListener("change", () => {
    span = Number(choice.value) * MINUTE;
    paint("window");
  });
  byId("pause").addEventListener("click", () => (end === null ? pauseAt(now()) : live()));
  byId("earlier").addEventListener("click", () => shift(-1));
  byId("later").addEventListener("click", () => shift(1));
  view(["window"], () => {
    const { isLive, end: until } = bounds();
    setText(byId("pause"), isLive ? "Pause" : "Go live");
    setAttribute(byId("pause"), "aria-pressed", !isLive);
    byId("later").disabled = isLive;
    setText(byId("window-end"), isLive ? "live" : `until ${near(until, now())}`);
    setAttribute(document.documentElement, "data-paused", !isLive);
  });
}
