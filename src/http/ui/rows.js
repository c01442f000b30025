// The rockets on the page of the table. In an order that does not change by itself
// rows are kept up to date by the subscription; any other page is asked for again
// when the fleet has changed, at most every two seconds. Does not own how they are
// shown (`table`).

import { query, readPage } from "./api.js";
import { now } from "./clock.js";
import { fleet, listen as listenToFleet, total } from "./fleet.js";
import { paint, touch } from "./paint.js";
import * as route from "./route.js";
import { staleAfter } from "./settings.js";
import * as watch from "./watch.js";

export const PAGE = 50;

const SOONEST = 2000;
/** Without a subscription. */
const POLL = 5000;

/** A rocket has its place in these for as long as it is there. */
const STEADY = ["launch_time", "id", "rocket_type"];

export const shown = {
  rows: [],
  total: null,
  next: null,
  error: null,
  /** Nothing has come yet for what the address says. */
  isLoading: true,
};

let byId = new Map();
let abort = null;
let asked = 0;
let askedVersion = null;
let isDue = false;

const isSteady = () => STEADY.includes(route.current().sort);

/** Counts the changes of a rocket. */
export const version = (rocket) => BigInt(rocket.last_message_number) + BigInt(rocket.buffered_messages);

export function makeRow(rocket) {
  return { rocket, version: version(rocket), heard: null, isStale: false };
}

/** Takes what is not older than what is there; says whether it did. */
export function update(row, rocket) {
  const its = version(rocket);
  if (its < row.version) return false;
  if (its > row.version) row.heard = now();
  row.rocket = rocket;
  row.version = its;
  return true;
}

/**
 * Whether it flies and says nothing: by its own clock, and by what was heard of it
 * here, since its clock may be another.
 */
export function judge(row) {
  const last = Math.max(Date.parse(row.rocket.last_update_time), row.heard ?? -Infinity);
  row.isStale = row.rocket.status !== "Exploded" && now() - last > staleAfter();
}

async function load() {
  abort?.abort();
  const its = new AbortController();
  abort = its;
  asked = Date.now();
  askedVersion = fleet.stats?.version ?? null;
  isDue = false;
  const path = `rockets${query({ ...parameters(), limit: PAGE })}`;
  try {
    const page = await readPage(path, { signal: its.signal, maxAge: isSteady() ? null : 2 });
    if (abort !== its) return;
    take(page);
  } catch (error) {
    if (abort !== its) return;
    // What cannot be reached is said above all, and what is here stays in sight.
    if (error.status >= 400 && error.status < 500 && error.status !== 401) shown.error = error.message;
    isDue = true;
  }
  abort = null;
  paint("rows");
}

/** As the service takes them; what it takes for granted is left out. */
function parameters() {
  const given = route.listing();
  if (given.sort === "launch_time" && given.order === "asc") return { ...given, sort: "", order: "" };
  return given;
}

function take({ rows, total: count, next }) {
  const known = byId;
  byId = new Map();
  shown.rows = rows.map((rocket) => {
    const row = known.get(rocket.id) ?? makeRow(rocket);
    update(row, rocket);
    byId.set(rocket.id, row);
    return row;
  });
  Object.assign(shown, { total: count, next, error: null, isLoading: false });
  watch.follow("table", isSteady() ? rows.map(({ id }) => id) : []);
}

function isOutdated() {
  if (isDue) return true;
  if (fleet.state !== "live") return fleet.state === "full" && Date.now() - asked > POLL;
  if (isSteady() && !route.hasConditions()) {
    // Full pages in a steady order stay what they are.
    return shown.rows.length < PAGE ? total() !== shown.total : false;
  }
  return (fleet.stats?.version ?? null) !== askedVersion;
}

function look() {
  if (document.hidden || abort || Date.now() - asked < SOONEST) return;
  if (fleet.state === "live" || fleet.state === "full") if (isOutdated()) load();
}

/** How many rockets meet the conditions, as far as that is known. */
export function count() {
  const isWhole = !route.hasConditions() && fleet.state === "live";
  return (isWhole ? total() : null) ?? shown.total;
}

export function begin() {
  watch.listen("rocket", (rocket) => {
    const row = byId.get(rocket.id);
    if (row && update(row, rocket)) touch("rows");
  });
  watch.listen("forgotten", () => {
    isDue = true;
  });
  // What changed between the answer and the subscription is in neither.
  watch.listen("start", () => load());
  listenToFleet("start", ({ isAnother }) => {
    // Another run may know less, so nothing that is here counts.
    if (isAnother) byId = new Map();
    load();
  });
  route.onRoute((its, before) => {
    const key = (one) => JSON.stringify(route.listing(one));
    if (key(its) === key(before)) return;
    shown.isLoading = true;
    shown.error = null;
    load();
    paint("rows");
  });
  setInterval(look, 250);
  load();
}

export const again = () => load();
