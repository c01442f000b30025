// The rockets on the page of the table. In an order that does not change by itself
// rows are kept up to date by the subscription, and the page is asked for again when
// there are more rockets or fewer; any other page whenever the fleet has changed; both
// at most every two seconds. Does not own how they are shown (`table`).

import { query, readPage } from "./api.js";
import { now } from "./clock.js";
import { fleet, listen as listenToFleet, total } from "./fleet.js";
import { paint, touch } from "./paint.js";
import * as route from "./route.js";
import { staleAfter } from "./settings.js";
import * as watch from "./watch.js";

export const PAGE = 50;

const SOONEST = 2000;

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
/** Rockets whose end was told since it was asked. */
let ended = new Set();

const isSteady = () => STEADY.includes(route.current().sort);

/** Counts the changes of a rocket. */
export const version = (rocket) => BigInt(rocket.last_message_number) + BigInt(rocket.buffered_messages);

export function makeRow(rocket) {
  return { rocket, version: version(rocket), listed: -1n, heard: null, isStale: false };
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

/** The rocket is not there any more, and what comes of it now is of another life. */
function end(id) {
  const row = byId.get(id);
  if (!row) return;
  row.version = -1n;
  // An answer that is under way may show it as it was.
  ended.add(id);
  isDue = true;
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
  ended = new Set();
  // Answers that may be a little old never go behind each other, but behind what is told.
  const known = new Map([...byId].map(([id, row]) => [id, isSteady() ? row.version : row.listed]));
  const path = `rockets${query({ ...parameters(), limit: PAGE })}`;
  try {
    const page = await readPage(path, { signal: its.signal, maxAge: isSteady() ? null : 2 });
    if (abort !== its) return;
    take(page, known);
  } catch (error) {
    if (abort !== its) return;
    // What is wrong with the address stays wrong. What cannot be reached is said above
    // all, and what is here stays in sight.
    if (error.status === 400 || error.status === 414) take({ rows: [], total: null, next: null, error: error.message });
    else isDue = true;
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

/** `known` are the versions that were, when it was asked for. */
function take({ rows, total: count, next, error = null }, known = new Map()) {
  const standing = byId;
  byId = new Map();
  shown.rows = rows.map((rocket) => {
    // One that has gone back is another, whose end was missed. It is looked at twice.
    const isAnother = version(rocket) < known.get(rocket.id);
    const isOver = ended.has(rocket.id);
    isDue ||= isAnother || isOver;
    const row = (isAnother ? null : standing.get(rocket.id)) ?? makeRow(rocket);
    update(row, rocket);
    row.listed = version(rocket);
    if (isOver) row.version = -1n;
    byId.set(rocket.id, row);
    return row;
  });
  Object.assign(shown, { total: count, next, error, isLoading: false });
  watch.follow("table", isSteady() ? rows.map(({ id }) => id) : []);
}

function isOutdated() {
  if (isDue) return true;
  if (shown.error) return false;
  if (watch.isRefused()) return Date.now() - asked > watch.POLL;
  const isKept = isSteady() && !route.hasConditions() && watch.tells(shown.rows.map(({ rocket }) => rocket.id));
  if (isKept) return total() !== shown.total;
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
  watch.listen("forgotten", end);
  // What changed between the answer and the subscription is in neither.
  watch.listen("start", () => {
    if (Date.now() - asked < SOONEST) isDue = true;
    else load();
  });
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
