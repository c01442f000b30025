// How it stands with the service, in words: there, starting, stopping, gone; since
// when, and when it is tried again.

import { byId, setAttribute, setHidden, setText } from "./dom.js";
import { duration } from "./format.js";
import { fleet, retry } from "./fleet.js";
import { view } from "./paint.js";
import * as watch from "./watch.js";

const WORDS = {
  connecting: "Connecting",
  live: "Live",
  starting: "Not ready",
  full: "Without live updates",
  stopping: "Stopping",
  lost: "No connection",
  token: "Token needed",
  off: "Resting",
};

/** What the banner says of a state that is one to worry about. */
const SENTENCES = {
  starting: "The service does not serve yet.",
  full: "Too many others watch; what is in sight is asked for again every few seconds.",
  stopping: "The service is stopping.",
  lost: "The service does not answer.",
  token: "The service asks for a token that may read.",
};

/** After so long without a connection it is not only slow. */
const PATIENCE = 1500;

let firstBuild = null;

export function begin() {
  byId("retry").addEventListener("click", () => (fleet.state === "token" ? byId("enter-token").click() : (retry(), watch.retry())));
  view(["connection", "stats", "tick"], draw);
}

function stateNow() {
  if (fleet.state === "connecting" && Date.now() - fleet.stateSince > PATIENCE) return "lost";
  // The fleet's figures are told of, and the rockets in sight are not.
  return fleet.state === "live" && watch.isRefused() ? "full" : fleet.state;
}

function draw() {
  const state = stateNow();
  setAttribute(document.documentElement, "data-connection", state);
  setText(byId("connection"), WORDS[state]);
  const sentence = SENTENCES[state] ?? "";
  setHidden(byId("banner"), sentence === "");
  // Only what changes seldom is in the part that is read aloud.
  setText(byId("banner-what"), [sentence, fleet.detail].filter(Boolean).join(" "));
  const figures = fleet.stats && fleet.since !== null ? `Figures are from ${duration(Date.now() - fleet.since)} ago. ` : "";
  const left = fleet.until - Date.now();
  setText(byId("banner-when"), figures + (left > 0 ? `Next try in ${duration(left + 999)}.` : ""));
  setText(byId("retry"), state === "token" ? "Enter a token" : "Try now");
  firstBuild ??= fleet.build;
  setHidden(byId("outdated"), fleet.build === firstBuild);
}
