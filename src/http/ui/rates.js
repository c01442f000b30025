// Messages a second since the page was opened: each second of the last hour, and each
// quarter of a minute of the last two days. The service keeps no past of its rates;
// Prometheus does.

/** Seconds without a word that are a gap in the line and no slope. */
const GAP = 4000;

export const OUTCOMES = ["applied", "buffered", "duplicate"];

/** In steps that begin at the same moments whatever is shown, so that nothing jumps. */
const tiers = [
  { step: 1000, most: 3600, buckets: [] },
  { step: 15_000, most: 11_520, buckets: [] },
];

/** Lengths of what a point stands for. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600].map((seconds) => seconds * 1000);

export function add(time, rates) {
  for (const tier of tiers) put(tier, time, rates);
}

function put({ step, most, buckets }, time, rates) {
  const from = Math.floor(time / step) * step;
  // Where the service's clock has gone back, that is yet to come.
  while (buckets.length > 0 && (buckets.at(-1).from > from || buckets.at(-1).time >= time)) buckets.pop();
  let bucket = buckets.at(-1);
  if (bucket?.from !== from) {
    bucket = { from, count: 0, sums: OUTCOMES.map(() => 0) };
    buckets.push(bucket);
    if (buckets.length > most) buckets.shift();
  }
  bucket.time = time;
  bucket.first ??= time;
  bucket.count += 1;
  bucket.rates = rates;
  OUTCOMES.forEach((outcome, index) => (bucket.sums[index] += rates[outcome] ?? 0));
}

/** When the first are of that are known. */
export const begun = () => tiers.at(-1).buckets[0]?.first ?? null;

/** The rates at a moment, with when that was, if they are known. */
export function at(time) {
  const isBefore = (bucket) => bucket.first <= time + 500;
  for (const { step, buckets } of tiers) {
    const found = buckets.findLast(isBefore);
    if (found && time - found.time < GAP) {
      return { time: found.time, rates: step === 1000 ? found.rates : mean([found]) };
    }
  }
  return null;
}

function mean(buckets) {
  const count = buckets.reduce((total, bucket) => total + bucket.count, 0);
  const of = (index) => buckets.reduce((total, { sums }) => total + sums[index], 0) / count;
  return Object.fromEntries(OUTCOMES.map((outcome, index) => [outcome, of(index)]));
}

/**
 * A line for each outcome, of at most so many points and two before the start: of more
 * each is the mean of a step. A `null` is a gap.
 */
export function lines(start, end, most = 400) {
  const wanted = STEPS.find((it) => (end - start) / it <= most) ?? STEPS.at(-1);
  const [fine, coarse] = tiers;
  const isCut = fine.buckets.length === fine.most && fine.buckets[0].from > start;
  const { buckets, step: least } = isCut || wanted >= coarse.step ? coarse : fine;
  const step = Math.max(wanted, least);
  // Whole steps, whatever part of the first and the last is in sight.
  const from = Math.floor(start / step) * step - step;
  const inside = buckets.filter((bucket) => bucket.from >= from && bucket.time <= end);
  const found = OUTCOMES.map(() => []);
  let last = null;
  for (const group of Map.groupBy(inside, (bucket) => Math.floor(bucket.from / step)).values()) {
    const isGap = last !== null && group[0].first - last > GAP;
    const rates = mean(group);
    last = group.at(-1).time;
    OUTCOMES.forEach((outcome, index) => {
      if (isGap) found[index].push(null);
      found[index].push({ time: last, value: rates[outcome] });
    });
  }
  return found;
}
