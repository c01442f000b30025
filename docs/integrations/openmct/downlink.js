// A plugin for NASA's Open MCT (npm: openmct 4): missions as folders, rockets in them,
// their speed from the recent past and live, stale once nothing came for a while.
//
//   openmct.install(Downlink("http://localhost:8088"));
//
// Owns how Downlink's API becomes objects and telemetry. Does not own what they look
// like. A fleet may have a million rockets, so a folder shows the first 100 of its
// mission; any other is found by its address, `downlink:rocket.ID`.

const NAMESPACE = "downlink";
const SHOWN = 100; // rockets in a folder
const STALE = 30_000; // ms without a message
const FAST = 50_000; // speeds from here on are marked, if no limit is given

export default function Downlink(service, { stale = STALE, fast = FAST } = {}) {
  const key = (kind, name) => ({ namespace: NAMESPACE, key: name === undefined ? kind : `${kind}.${name}` });
  const kindOf = (identifier) => {
    const dot = identifier.key.indexOf(".");
    return dot < 0 ? [identifier.key] : [identifier.key.slice(0, dot), identifier.key.slice(dot + 1)];
  };
  const idOf = (object) => kindOf(object.identifier)[1];

  async function read(path) {
    const answer = await fetch(service + path);
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.detail ?? answer.statusText);
    return body;
  }

  /** What a rocket reports, as Open MCT shows a datum. */
  const datum = (rocket) => ({
    utc: Date.parse(rocket.last_update_time),
    speed: rocket.speed,
    number: rocket.last_message_number,
    status: rocket.status,
    mission: rocket.mission,
  });

  // One stream for all rockets that are looked at, opened anew when these change.
  const watched = new Map(); // ID: those who are told, and when something came
  let stream = null;
  let opening = null;
  function reopen() {
    clearTimeout(opening);
    opening = setTimeout(() => {
      stream?.close();
      stream = null;
      if (watched.size === 0) return;
      // The service takes a hundred of them.
      const ids = [...watched.keys()].slice(0, 100);
      stream = new EventSource(`${service}/events?${ids.map((id) => `id=${encodeURIComponent(id)}`).join("&")}`);
      const take = ({ data }) => {
        const rocket = JSON.parse(data);
        const those = watched.get(rocket.id);
        if (!those) return;
        those.seen = Date.now();
        those.tell.forEach((tell) => tell(datum(rocket)));
      };
      stream.addEventListener("rocket", take);
      stream.addEventListener("explosion", take);
      // It ends for good at a 503.
      stream.onerror = () => stream?.readyState === EventSource.CLOSED && setTimeout(reopen, 2000 + 2000 * Math.random());
    }, 50);
  }
  function watch(id) {
    if (!watched.has(id)) {
      watched.set(id, { tell: new Set(), stale: new Set(), seen: Date.now() });
      reopen();
    }
    return watched.get(id);
  }
  function leave(id) {
    const those = watched.get(id);
    if (those && those.tell.size === 0 && those.stale.size === 0) {
      watched.delete(id);
      reopen();
    }
  }
  const isStale = (those) => Date.now() - those.seen > stale;

  const values = [
    { key: "utc", source: "utc", name: "Time", format: "utc", hints: { domain: 1 } },
    { key: "speed", name: "Speed", format: "integer", hints: { range: 1 } },
    { key: "number", name: "Message", format: "integer", hints: { range: 2 } },
    { key: "status", name: "Status", format: "string" },
    { key: "mission", name: "Mission", format: "string" },
  ];

  return function install(openmct) {
    openmct.objects.addRoot(key("fleet"));
    openmct.types.addType("downlink.rocket", { name: "Rocket", description: "A rocket of the fleet", cssClass: "icon-telemetry" });

    openmct.objects.addProvider(NAMESPACE, {
      async get(identifier) {
        const [kind, name] = kindOf(identifier);
        if (kind === "fleet") return { identifier, name: "Fleet", type: "folder", location: "ROOT" };
        if (kind === "mission") return { identifier, name, type: "folder", location: `${NAMESPACE}:fleet` };
        const rocket = await read(`/rockets/${encodeURIComponent(name)}`);
        return {
          identifier,
          name: `${rocket.rocket_type} ${rocket.id.slice(0, 8)}`,
          type: "downlink.rocket",
          location: `${NAMESPACE}:mission.${rocket.mission}`,
          telemetry: { values },
        };
      },
    });

    openmct.composition.addProvider({
      appliesTo: ({ identifier }) => identifier.namespace === NAMESPACE && kindOf(identifier)[0] !== "rocket",
      async load({ identifier }) {
        const [kind, name] = kindOf(identifier);
        if (kind === "fleet") return (await read("/missions")).missions.map((mission) => key("mission", mission));
        const { rockets } = await read(`/missions/${encodeURIComponent(name)}?limit=${SHOWN}`);
        return rockets.map(({ id }) => key("rocket", id));
      },
    });

    const isRocket = ({ type }) => type === "downlink.rocket";
    openmct.telemetry.addProvider({
      supportsRequest: isRocket,
      async request(object, { start, end, strategy }) {
        const id = encodeURIComponent(idOf(object));
        if (strategy === "latest") return [datum(await read(`/rockets/${id}`))];
        const [from, to] = [start, end].map((time) => new Date(time).toISOString());
        const { entries } = await read(`/rockets/${id}/history?start=${from}&end=${to}`);
        return entries
          .filter(({ speed }) => speed !== null)
          .map(({ time, speed, message_number }) => ({ utc: Date.parse(time), speed, number: message_number }));
      },

      supportsSubscribe: isRocket,
      subscribe(object, tell) {
        const id = idOf(object);
        watch(id).tell.add(tell);
        return () => {
          watched.get(id)?.tell.delete(tell);
          leave(id);
        };
      },

      supportsStaleness: isRocket,
      isStale: async (object) => {
        const those = watched.get(idOf(object));
        return { isStale: those !== undefined && isStale(those), timestamp: Date.now() };
      },
      subscribeToStaleness(object, tell) {
        const id = idOf(object);
        const those = watch(id);
        those.stale.add(tell);
        let was = false;
        const look = setInterval(() => {
          const is = isStale(those);
          if (is !== was) tell({ isStale: (was = is), timestamp: Date.now() });
        }, 1000);
        return () => {
          clearInterval(look);
          those.stale.delete(tell);
          leave(id);
        };
      },

      supportsLimits: isRocket,
      getLimitEvaluator: () => ({
        evaluate: ({ speed }, { key: shown }) =>
          shown === "speed" && speed >= fast
            ? { cssClass: "is-limit--upr is-limit--red", name: "Fast", low: fast, high: Number.POSITIVE_INFINITY }
            : undefined,
      }),
      getLimits: () => ({ limits: async () => ({ WARNING: { high: { color: "red", speed: fast } } }) }),
    });
  };
}
