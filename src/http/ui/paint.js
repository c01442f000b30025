// When the page is painted: four times a second, what has changed, and at once after
// something that the user did. Not by `requestIdleCallback`, which stops under load.

const PERIOD = 250;

const views = [];
const changed = new Set();

/** Has `paint` called when one of these topics has changed. */
export function view(topics, paint) {
  views.push({ topics, paint });
}

/** Says that there is something new; it shows with the next paint. */
export function touch(...topics) {
  for (const topic of topics) changed.add(topic);
}

/** Shows it now. */
export function paint(...topics) {
  touch(...topics);
  if (document.hidden || changed.size === 0) return;
  const now = new Set(changed);
  changed.clear();
  for (const { topics: its, paint: draw } of views) if (its.some((topic) => now.has(topic))) draw(now);
}

export function begin() {
  setInterval(() => paint("tick"), PERIOD);
  document.addEventListener("visibilitychange", () => paint("tick"));
}
