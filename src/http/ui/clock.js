// What time it is at the service, whose times are shown: this machine's clock may be
// wrong, and then everything would be stale.

let offset = 0;

/** Takes the service's word, but for what may be the way's delay. */
export function follow(time) {
  const found = Date.parse(time) - Date.now();
  if (Math.abs(found - offset) > 1500) offset = found;
}

export const now = () => Date.now() + offset;
