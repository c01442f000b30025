// Explosions, as a feed: those within the time window first, and before them the
// latest that there were. Owns the list; does not own what is said aloud (`announce`).

import { announce } from "./announce.js";
import { query, readPage } from "./api.js";
import { now } from "./clock.js";
import { byId, el, keyed, setAttribute, setHidden, setText } from "./dom.js";
import { ago, moment, near, number, visible } from "./format.js";
import { listen } from "./fleet.js";
import { icon } from "./icons.js";
import { touch, view } from "./paint.js";
import * as route from "./route.js";
import { bounds } from "./timewindow.js";

/** Most that are kept of those up to the window's end, and after it; most that are shown. */
const KEPT = 500;
const SHOWN = 50;

/**
 * An explosion so long after those that were written last is written at once. One that
 * comes sooner waits for the next figures, with which all is written once a second.
 */
const APART = 1500;

/** After an answer that did not come. */
const AGAIN = 5000;

let known = new Map();
/** Those from before are there. */
let isListed = false;
let asked = 0;
let written = 0;
let isDue = false;

/** Whether it is new. */
function add({ id, launch_time: launched, explosion_reason: reason, mission }, time) {
  if (known.has(id) && known.get(id).launched !== launched) close(id);
  const isNew = !known.has(id);
  if (isNew) known.set(id, { key: id, id, launched, reason, mission, time });
  return isNew;
}

/** Its rocket is not there any more: another one with its ID may explode, too. */
function close(id) {
  const entry = known.get(id);
  if (!entry) return;
  known.delete(id);
  entry.key = entry;
  known.set(entry.key, entry);
}

const newest = () => [...known.values()].sort((one, other) => other.time - one.time);

/** When there were explosions within these bounds; at most so many that can be seen. */
export const times = (start, end) =>
  newest().filter(({ time }) => time >= start && time <= end).slice(0, 200).map(({ time }) => time);

async function load({ isAnother = false } = {}) {
  if (isAnother) known = new Map();
  isListed = false;
  asked = Date.now();
  const listed = { status: "Exploded", sort: "last_update_time", order: "desc", limit: SHOWN };
  try {
    const { rows } = await readPage(`rockets${query(listed)}`, { maxAge: 2 });
    for (const rocket of rows) add(rocket, Math.min(Date.parse(rocket.last_update_time), now()));
    isListed = true;
    touch("explosions");
  } catch {
    // It is asked again; what is wrong is said elsewhere, if it stays so.
  }
}

export function begin() {
  listen("explosion", (rocket) => {
    // When it was heard of: the clocks of rockets may be any.
    if (add(rocket, now())) announce(rocket.id);
    touch("explosions");
  });
  listen("forgotten", close);
  listen("start", load);
  view(["explosions", "window", "stats", "route", "tick"], (topics) => {
    isDue ||= topics.has("explosions");
    if (topics.has("stats") && !isListed && Date.now() - asked >= AGAIN) load();
    const isAtOnce = ["window", "stats", "route"].some((topic) => topics.has(topic));
    if (isAtOnce || (isDue && Date.now() - written >= APART)) draw();
  });
}

function draw() {
  if (isDue) written = Date.now();
  isDue = false;
  const { start, end } = bounds();
  const sorted = newest();
  const all = sorted.filter(({ time }) => time <= end);
  const later = sorted.filter(({ time }) => time > end);
  for (const { key } of [...all.splice(KEPT), ...later.slice(KEPT)]) known.delete(key);
  const inside = all.filter(({ time }) => time >= start).length;
  keyed(byId("explosions"), all.slice(0, SHOWN), (entry) => entry, make, (node, { time }, index) => {
    setText(node.when, time > now() - 3_600_000 ? ago(time, now()) : near(time, now()));
    setAttribute(node, "class", index >= inside ? "before" : null);
    setAttribute(node.link, "href", route.href({ rocket: node.link.rocketId }));
  });
  setText(byId("explosions-count"), inside === 0 ? "none in window" : `${number(inside)}${inside < KEPT ? "" : " or more"} in window`);
  setHidden(byId("explosions-none"), all.length > 0 || !isListed);
}

function make({ id, reason, mission, time }) {
  const link = el("a", { href: route.href({ rocket: id }), title: visible(id) }, el("bdi", {}, visible(id)));
  link.rocketId = id;
  const when = el("time", { title: moment(time) });
  const what = el("span", { class: "what", title: `${visible(reason)} · ${visible(mission)}` }, el("bdi", {}, visible(reason)), " · ", el("bdi", {}, visible(mission)));
  const node = el("li", {}, icon("exploded"), link, when, what);
  return Object.assign(node, { link, when });
}
