// Where the lines of an axis are. Pure.

const STEPS = [1, 2, 5, 10];

/** Milliseconds between lines of a time axis. */
const TIME_STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400,
].map((seconds) => seconds * 1000);

/**
 * Round numbers, some `wanted` of them, of which the first is not above `lowest` and
 * the last not below `highest`.
 */
export function niceTicks(lowest, highest, wanted = 4) {
  if (!(highest > lowest)) {
    // A level line: with room above and below, from zero if it is that.
    const room = Math.abs(lowest) || 1;
    return lowest === 0 ? [0, 1] : niceTicks(lowest - room / 2, lowest + room / 2, wanted);
  }
  // Not so fine that the numbers between are not to be told apart.
  const finest = Math.max(Math.abs(lowest), Math.abs(highest)) * 2 ** -48;
  const rough = Math.max((highest - lowest) / wanted, finest);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * STEPS.find((it) => it * power >= rough * 0.999_999);
  const first = Math.floor(lowest / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(highest / step - 1e-9));
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  const ticks = [];
  for (let at = first; at <= last; at += 1) ticks.push(Number((at * step).toFixed(Math.min(digits, 100))));
  return ticks;
}

/** Round times of day between two moments, at most `most` of them. */
export function timeTicks(start, end, most = 6) {
  const span = end - start;
  const step = TIME_STEPS.find((it) => span / it <= most) ?? Math.ceil(span / most / 86_400_000) * 86_400_000;
  const offset = new Date(start).getTimezoneOffset() * 60_000;
  const ticks = [];
  for (let at = Math.ceil((start - offset) / step) * step + offset; at <= end; at += step) ticks.push(at);
  return ticks;
}
