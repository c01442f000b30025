// A plugin for NASA's Open MCT (npm: openmct 4): missions as folders, rockets in them,
// their speed from the recent past and live, stale once nothing came for a while.
//
//   openmct.install(Downlink("http://localhost:8088"));
//
// Owns how Downlink's API becomes objects and telemetry. Does not own what they look
// like. A fleet may have a million rockets, so a folder shows a hundred of its mission
// and a folder with those that follow; each has its address, `downlink:rocket.ID`.

const NAMESPACE = "downlink";
const SHOWN = 100; // rockets in a folder, besides the one with further rockets
const STALE = 30_000; // ms without a message
const FAST = 50_000; // speeds from here on are marked, if no limit is given

export default function Downlink(service, { stale = STALE, fast = FAST } = {}) {
  const key = (kind, name) => ({ namespace: NAMESPACE, key: name === undefined ? kind : `${kind}.${name}` });
  const kindOf = (identifier) => {
    const dot = identifier.key.indexOf(".");
    return dot < 0 ? [identifier.key] : [identifier.key.slice(0, dot), identifier.key.slice(dot + 1)];
  };
  const idOf = (object) => kindOf(object.identifier)[1];

  async function ask(path) {
    const answer = await fetch(service + path);
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.detail ?? answer.statusText);
    return { body, link: answer.headers.get("link") };
  }
  const read = async (path) => (await ask(path)).body;

  // Cursors have no dots, and missions may: `page.CURSOR.MISSION`.
  const pageOf = (name) => [name.slice(0, name.indexOf(".")), name.slice(name.indexOf(".") + 1)];

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
        tell(rocket);
        // A message that waits for an earlier one is a sign of life too.
        if (watched.has(rocket.id)) watched.get(rocket.id).seen = Date.now();
      };
      const forget = ({ data }) => {
        const those = watched.get(JSON.parse(data).id);
        if (those) those.number = 0; // it may be launched again
      };
      // What came before this stream did is read once it is there.
      const catchUp = () => ids.forEach(async (id) => {
        try {
          const rocket = await read(`/rockets/${encodeURIComponent(id)}`);
          // Until something comes, its sender's clock says how long it has been silent.
          if (tell(rocket)) watched.get(id).seen = Date.parse(rocket.last_update_time);
        } catch (problem) {
          console.warn(`${id}: ${problem.message}`);
        }
      });
      stream.addEventListener("hello", catchUp);
      stream.addEventListener("reset", () => {
        for (const id of ids) if (watched.has(id)) watched.get(id).number = 0; // an end may be missed
        catchUp();
      });
      stream.addEventListener("rocket", take);
      stream.addEventListener("explosion", take);
      stream.addEventListener("forgotten", forget);
      // It ends for good at a 503.
      stream.onerror = () => stream?.readyState === EventSource.CLOSED && setTimeout(reopen, 2000 + 2000 * Math.random());
    }, 50);
  }
  function tell(rocket) {
    const those = watched.get(rocket.id);
    if (!those || rocket.last_message_number <= those.number) return false;
    those.number = rocket.last_message_number;
    those.tell.forEach((tell) => tell(datum(rocket)));
    return true;
  }
  function watch(id) {
    if (!watched.has(id)) {
      watched.set(id, { tell: new Set(), stale: new Set(), seen: Date.now(), number: 0 });
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
        if (kind === "page") {
          return { identifier, name: "Further rockets", type: "folder", location: `${NAMESPACE}:mission.${pageOf(name)[1]}` };
        }
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
        const [cursor, mission] = kind === "page" ? pageOf(name) : ["", name];
        const from = cursor && `&cursor=${cursor}`;
        const { body, link } = await ask(`/missions/${encodeURIComponent(mission)}?limit=${SHOWN}${from}`);
        const next = link?.match(/[?&]cursor=([^&>]+)/)?.[1];
        const further = next ? [key("page", `${next}.${mission}`)] : [];
        return [...body.rockets.map(({ id }) => key("rocket", id)), ...further];
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

      // Open MCT looks for the time under the key of the time system, and ignores what has none.
      supportsStaleness: isRocket,
      isStale: async (object) => {
        const those = watched.get(idOf(object));
        return { isStale: those !== undefined && isStale(those), utc: Date.now() };
      },
      subscribeToStaleness(object, tell) {
        const id = idOf(object);
        const those = watch(id);
        those.stale.add(tell);
        let was = false;
        const look = setInterval(() => {
          const is = isStale(those);
          if (is !== was) tell({ isStale: (was = is), utc: Date.now() });
        }, 1000);
        return () => {
          clearInterval(look);
          those.stale.delete(tell);
          leave(id);
        };
      },

      supportsLimits: isRocket,
      getLimitEvaluator: () => ({
        // Tables ask for whole rows too, without a value.
        evaluate: ({ speed }, value) =>
          value?.key === "speed" && speed >= fast
            ? { cssClass: "is-limit--upr is-limit--red", name: "Fast", low: fast, high: Number.POSITIVE_INFINITY }
            : undefined,
      }),
      getLimits: () => ({ limits: async () => ({ WARNING: { high: { color: "red", speed: fast } } }) }),
    });
  };
}
