// Messages a second since the page was opened, an hour at most. The service keeps no
// past of its rates; Prometheus does.

const MOST = 3600;
/** Seconds without a word that are a gap in the line and no slope. */
const GAP = 4000;

export const OUTCOMES = ["applied", "buffered", "duplicate"];

const samples = [];

export function add(time, rates) {
  const last = samples.at(-1);
  if (last && time <= last.time) return;
  samples.push({ time, rates });
  if (samples.length > MOST) samples.shift();
}

export const latest = () => samples.at(-1)?.rates ?? null;

/** The rates at a moment, if they are known. */
export function at(time) {
  const found = samples.findLast((sample) => sample.time <= time + 500);
  return found && time - found.time < GAP ? found : null;
}

/**
 * A line for each outcome, of at most so many points: of more each is the mean of
 * several. A `null` is a gap.
 */
export function lines(start, end, most = 400) {
  const inside = samples.filter(({ time }) => time >= start - 2000 && time <= end);
  const step = Math.max(1, Math.ceil(inside.length / most));
  const found = OUTCOMES.map(() => []);
  for (let from = 0; from < inside.length; from += step) {
    const group = inside.slice(from, from + step);
    const { time } = group.at(-1);
    const isGap = from > 0 && group[0].time - inside[from - 1].time > GAP;
    OUTCOMES.forEach((outcome, index) => {
      if (isGap) found[index].push(null);
      const sum = group.reduce((total, { rates }) => total + (rates[outcome] ?? 0), 0);
      found[index].push({ time, value: sum / group.length });
    });
  }
  return found;
}
