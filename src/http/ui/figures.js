// The figures at the top: rockets by status, messages a second, what waits.

import { now } from "./clock.js";
import { byId, setAttribute, setText } from "./dom.js";
import { duration, number, rate } from "./format.js";
import { fleet, total } from "./fleet.js";
import { icon } from "./icons.js";
import { view } from "./paint.js";
import * as rates from "./rates.js";
import { waitLimit } from "./settings.js";

export function begin() {
  for (const name of ["launched", "exploded"]) byId(`icon-${name}`).append(icon(name));
  byId("icon-waiting").append(icon("waiting"), icon("overdue"));
  view(["stats", "connection", "settings", "tick"], (topics) => {
    // A live service says once a second what there is; without a word time goes on.
    const isNews = ["stats", "connection", "settings"].some((topic) => topics.has(topic));
    if (isNews || fleet.state !== "live") draw();
  });
}

function draw() {
  const { stats } = fleet;
  setText(byId("figure-rockets"), number(total()));
  setText(byId("figure-launched"), number(stats?.rockets.launched));
  setText(byId("figure-exploded"), number(stats?.rockets.exploded));
  setText(byId("figure-waiting"), number(stats?.waiting_rockets));
  setText(byId("figure-buffered"), number(stats?.buffered_messages));
  const last = rates.at(now())?.rates;
  setText(byId("figure-rate"), rate(last && last.applied + last.buffered + last.duplicate));
  const since = stats?.longest_wait_since ? Date.parse(stats.longest_wait_since) : null;
  const longest = since === null ? null : now() - since;
  const isOverdue = longest !== null && longest > waitLimit();
  const nothing = stats ? "nothing is missing" : "";
  setText(byId("longest-wait"), longest === null ? nothing : `longest ${duration(longest)}`);
  setAttribute(byId("waiting-tile"), "data-level", longest === null ? null : isOverdue ? "overdue" : "waiting");
  setText(byId("waiting-limit"), isOverdue ? `, over the limit of ${duration(waitLimit())}` : "");
}
