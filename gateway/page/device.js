// One device: what it is, how it is and why, and everything it has said over time.

import { advice, ask, catalogue, change, knows } from "./api.js";
import { chart } from "./chart.js";
import { badge, clock, empty, facts, h, human, put, said, since, table } from "./dom.js";
import { choice, words } from "./events.js";

export const SECONDS = 10;
export const WANTS = ["health_change", "critical_event"];
const SPANS = [[60, "1 h"], [1440, "24 h"], [10080, "7 d"], [129600, "90 d"]];
const STEPS = { 60: 15, 1440: 300, 10080: 1800, 129600: 21600 }; // minutes -> seconds of a step
const DAY = 1440; // minutes
const FLAGS = 200; // events drawn at most

const FACTS = [["model", "Model"], ["family", "Family"], ["serial", "Serial"], ["firmware", "Firmware"],
  ["wwn", "WWN"], ["protocol", "Protocol"], ["host", "Host"], ["path", "Path"], ["slot", "Slot"],
  ["member", "Behind the controller"], ["array_role", "In arrays"]];

export function create(root, [sourceDevice, deviceId, arrayId], refresh) {
  const who = { source_device: sourceDevice, device_id: deviceId, ...(arrayId && { array_id: arrayId }) };
  const look = { minutes: 60 };
  const head = h("div", { class: "head" }, h("h1", {}, deviceId));
  const place = (label, attributes = {}) => h("section", { "aria-label": label, ...attributes });
  const [verdict, about, acts, forecast, unusual, smart, happened] = [place("Verdict"), place("Facts"),
    place("Actions"), place("Capacity"), place("Anomalies"), place("SMART"), place("Events", { class: "stacked" })];
  const charts = place("Metrics", { class: "charts" });
  const { grafana } = document.documentElement.dataset; // its address, where GATEWAY_GRAFANA_URL has one
  const board = new URLSearchParams({ "var-device_id": deviceId, ...(arrayId && { "var-array_id": arrayId }) });
  root.append(h("p", { class: "crumb" }, h("a", { href: "#/fleet" }, "Fleet"), " / ", sourceDevice,
    ...(grafana ? [" / ", h("a", { href: `${grafana}/d/spindle-device?${board}` }, "in Grafana")] : [])), head, verdict,
    acts, about, h("div", { class: "head" }, h("h2", {}, "Metrics"),
      choice("Time span", SPANS, look.minutes, (minutes) => { look.minutes = minutes; refresh(); })),
    charts, forecast, unusual, smart, happened);
  const drawn = new Map();
  let past = null; // of SMART attributes; asked once for each opening
  offer(acts, who, refresh);

  async function load() {
    const span = { ...who, since_minutes: look.minutes };
    const [health, devices, series, anomalies, events, capacity, known, remedies] = await Promise.all([
      ask("device_health", who), ask("devices", { ...who, since_minutes: 129600 }),
      ask("series", { ...span, every_seconds: STEPS[look.minutes], limit: 50000 }),
      ask("anomalies", { ...span, limit: 50 }),
      ask("alerts_critical", { ...span, min_criticality: 1, limit: FLAGS }),
      ask("capacity_forecast", who), catalogue(), advice()]);
    const device = devices.data[0];
    const isSmart = (name) => known[name]?.smart;
    if (device && Object.keys(device.metrics).some(isSmart)) past ??= await changes(who);
    return { health: health.data, device, series: series.data, anomalies: anomalies.data,
      learning: anomalies.learning, events: events.data, capacity: capacity.data[0], known, past, remedies };
  }

  function update(data) {
    if (!data.device) {
      put(verdict, empty(`${deviceId} is not known`, h("p", {}, "It has not reported in 90 days, or its name is another. "),
        h("p", {}, h("a", { href: "#/fleet" }, "See the fleet"))));
      return;
    }
    judged(verdict, data);
    described(about, data);
    plotted(charts, drawn, data, look.minutes);
    foretold(forecast, data.capacity);
    told(unusual, data.anomalies, data.learning);
    drive(smart, data);
    listed(happened, data.events);
  }
  return { load, update, close: () => drawn.forEach((each) => each.close()) };
}

function judged(place, { health, remedies }) {
  const remedy = ({ severity, metric_type, event_type }) =>
    (severity === "ok" ? null : remedies[metric_type] ?? remedies[event_type] ?? remedies[severity]);
  // Which buttons there are: style.css has the rule.
  document.body.dataset.known = health.reasons.some((reason) => reason.acknowledged);
  document.body.dataset.ill = health.health !== "ok";
  put(place, h("div", { class: `verdict ${health.health}` }, badge(health.health),
    h("span", {}, health.health === "ok" ? "Nothing is wrong with it." : "", health.since ? since(health.since) : ""),
    h("span", { class: "score" }, `score ${health.score ?? "–"}`)),
  health.reasons.length ? h("ul", { class: "reasons" }, health.reasons.map((reason) => h("li", {},
    badge(reason.severity), h("div", {}, h("p", {}, said(reason.message)),
      reason.acknowledged ? h("p", { class: "sub" }, `Known: it would be ${reason.acknowledged}.`) : "",
      remedy(reason) ? h("p", { class: "sub" }, `What to do: ${remedy(reason)}`) : "")))) : "");
}

function described(place, { device, health }) {
  const known = device.facts ?? {};
  const hours = device.metrics.PowerOnHours?.value;
  put(place, facts([
    ...FACTS.map(([name, label]) => [label, known[name]])
      .filter(([label]) => !device.simulated || label !== "Model"), // which says no more than "simulated"
    ["Capacity", known.capacity_bytes ? human(known.capacity_bytes, "B") : null],
    ["Rotation", known.rotation_rpm === 0 ? "solid state" : known.rotation_rpm ? `${known.rotation_rpm} rpm` : null],
    ["In use for", hours === undefined ? null : human(hours, "h")],
    ["Array", device.array_id], ["Last seen", device.last_seen ? since(device.last_seen) : "never"],
    ["Source", device.simulated ? "simulated" : null]]));
}

function plotted(place, drawn, { series, anomalies, events, known, device }, minutes) {
  const names = Object.keys(device.metrics).filter((name) => !known[name]?.smart);
  const order = Object.keys(known);
  const rank = (name) => (known[name] ? order.indexOf(name) : order.length);
  const groups = Map.groupBy(series, (step) => step.metric_type);
  const now = Date.now() / 1000;
  for (const name of names.sort((a, b) => rank(a) - rank(b))) {
    const unit = device.metrics[name].unit ?? "";
    if (!drawn.has(name)) {
      const card = place.appendChild(h("div", { class: "card" }));
      drawn.set(name, chart(card, { title: words(name), unit }));
    }
    const limits = ["warning", "critical"].filter((state) => Number.isFinite(known[name]?.[state]))
      .map((state) => ({ at: known[name][state], state, words: `${state} from ${human(known[name][state], unit)}` }));
    drawn.get(name).show(withGaps(groups.get(name) ?? [], STEPS[minutes]), {
      limits, from: now - minutes * 60, to: now,
      anomalies: anomalies.filter((each) => each.metric_type === name)
        .map((each) => ({ from: Date.parse(each.from) / 1000, to: Date.parse(each.to) / 1000 })),
      events: events.map((each) => ({ time: Date.parse(each.time) / 1000, critical: each.criticality >= 8 })),
    });
  }
}

// A slow series is no broken one: a gap is what is longer than three of its usual steps.
function withGaps(rows, step) {
  const steps = rows.map((row) => [Date.parse(row.time) / 1000, row.mean, row.min, row.max]);
  const apart = steps.slice(1).map((each, at) => each[0] - steps[at][0]).sort((a, b) => a - b);
  const usual = Math.max(step, apart[apart.length >> 1] ?? step);
  return steps.flatMap((each, at) =>
    (at && each[0] - steps[at - 1][0] > 3 * usual ? [[each[0] - usual, null, null, null], each] : [each]));
}

function foretold(place, capacity) {
  if (!capacity) return put(place, "");
  const rows = capacity.days_until.filter((each) => each.days !== null);
  const when = (days) => (days === null ? `past ${Math.round(capacity.horizon_days)} d` : `${Math.round(days)} d`);
  put(place, h("h2", {}, "Capacity"), h("p", {}, said(capacity.message)),
    rows.length ? table("Days until full", ["Level", "Expected", "Earliest", "Latest"], rows.map((each) =>
      [`${each.level} %`, when(each.days), when(each.earliest), when(each.latest)])) : "",
    rows.length ? h("p", { class: "sub" }, "Earliest to latest: 4 of 5 times it falls between.") : "");
}

function told(place, anomalies, learning) {
  put(place, h("h2", {}, "Unusual"), anomalies.length
    ? h("ul", { class: "reasons" }, anomalies.map((each) => h("li", {},
      h("span", { class: "when" }, clock(each.from)), h("div", {}, h("p", {}, said(each.explanation)),
        h("p", { class: "sub" }, `${words(each.metric_type)}, ${each.lasts ? "lasting" : "over"}, score ${each.score.toFixed(2)}`)))))
    : h("p", { class: "sub" }, "Nothing unusual in this time."),
  learning ? h("p", { class: "sub" }, `${learning}.`) : "");
}

async function changes(who) {
  const first = async (since_minutes, every_seconds) => {
    const { data } = await ask("series", { ...who, since_minutes, every_seconds, limit: 50000 });
    return Object.fromEntries(data.toReversed().map((step) => [step.metric_type, step]));
  };
  const [day, month, ever] = await Promise.all(
    [first(DAY, 3600), first(30 * DAY, 86400), first(5256000, 30 * 86400)]);
  return { day, month, ever };
}

function drive(place, { device, known, past }) {
  const rows = Object.entries(device.metrics).filter(([name]) => known[name]?.smart);
  if (!rows.length) return put(place, "");
  const moved = (then, now, unit) => {
    if (!then) return "–";
    const by = now - (known[then.metric_type].bad === "low" ? then.max : then.min);
    return by === 0 ? "same" : `${by > 0 ? "+" : "−"}${human(Math.abs(by), unit)}`;
  };
  put(place, h("h2", {}, "SMART attributes"), table("SMART attributes and their change",
    ["Attribute", "Now", "Since yesterday", "In a month", "Ever"], rows.map(([name, { value, unit }]) =>
      [h("strong", {}, words(name)), human(value, unit),
        ...["day", "month", "ever"].map((span) => moved(past?.[span][name], value, unit))])));
}

function listed(place, events) {
  put(place, h("h2", {}, "Events"), events.length
    ? table("Events of this device", ["When", "Criticality", "What"], events.slice(0, 50).map((event) =>
      [clock(event.time), String(event.criticality), `${words(event.event_type)} – ${said(event.event_message ?? "")}`]))
    : h("p", { class: "sub" }, "None in this time."));
}

async function offer(place, who, refresh) {
  const said = h("p", { class: "sub", role: "status" });
  const act = (question, label, sure) => h("button", {
    type: "button", class: question,
    onclick: async () => {
      if (sure && !confirm(sure)) return;
      try {
        await change(question, who);
        said.textContent = `Done: ${label.toLowerCase()}.`;
      } catch (error) {
        said.textContent = error.message;
      }
      refresh();
    },
  }, label);
  const found = [];
  if (await knows("acknowledge")) found.push(act("acknowledge", "Acknowledge until it gets worse"));
  if (await knows("revoke")) found.push(act("revoke", "Let it alarm again"));
  if (await knows("retire")) found.push(act("retire", "Retire", `Retire ${who.device_id}? It is then no longer watched.`));
  if (found.length) place.append(h("div", { class: "tools" }, found), said);
}
