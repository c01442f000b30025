// The chart of messages a second, by what became of them, with explosions as marks.

import { now } from "./clock.js";
import { LineChart, legend, startOf } from "./chart.js";
import { byId, setText } from "./dom.js";
import { clock, rate } from "./format.js";
import { times } from "./explosions.js";
import { fleet } from "./fleet.js";
import { view } from "./paint.js";
import * as rates from "./rates.js";
import { bounds } from "./timewindow.js";

const LABELS = { applied: "applied", buffered: "early", duplicate: "repeated" };

export function begin() {
  const entries = rates.OUTCOMES.map((outcome) => legend(outcome, LABELS[outcome]));
  byId("traffic-legend").append(...entries.map(({ entry }) => entry));

  function tell(time) {
    const { end, isLive } = bounds();
    const sample = rates.at(time ?? (isLive ? now() : end));
    rates.OUTCOMES.forEach((outcome, index) => entries[index].say(rate(sample?.rates[outcome])));
    setText(byId("traffic-at"), time === null ? "" : `at ${clock(time)}`);
    if (!sample) return time === null ? "no figures yet" : `${clock(time)}: no figures`;
    const parts = rates.OUTCOMES.map((outcome) => `${rate(sample.rates[outcome])} ${LABELS[outcome]}`);
    return `${clock(sample.time)}: ${parts.join(", ")} a second`;
  }

  const chart = new LineChart("traffic-chart", { names: rates.OUTCOMES, hasArea: true, onPoint: tell });
  let drawn = 0;
  view(["stats", "window", "tick"], (topics) => {
    // Once a second, with the figures; without a word from the service time goes on. All
    // of it is drawn anew, and explosions may come with every paint.
    const isSilent = fleet.state !== "live" && Date.now() - drawn >= 1000;
    if (!topics.has("stats") && !topics.has("window") && !isSilent) return;
    drawn = Date.now();
    const { start: earliest, end } = bounds();
    // Before the page was opened there is nothing to see.
    const start = startOf(earliest, end, rates.begun());
    const marks = times(start, end).map((time) => ({ time, name: "exploded" }));
    chart.draw({ start, end, lines: rates.lines(start, end), marks, base: 0 });
  });
}
