// Every device in its array, coloured by health; above them what needs a look, worst first.

import { ask } from "./api.js";
import { STATES, badge, deviceLink, empty, h, human, put, said, sign, since } from "./dom.js";
import { words } from "./events.js";

export const SECONDS = 5;
export const WANTS = ["health_change"];
const WORST = 8; // sentences shown before "show all"
const DENSE = 120; // devices from which on a tile shows its name alone
const SHOWN = { DiskTemp: "", Latency: "", CapacityUsed: "full\u00a0", Utilisation: "busy\u00a0" };
const MOST = 3; // readings on a tile
const ROOM = { dense: 12, wide: 20 }; // characters of a name on a tile

// Names of disks differ at their ends, and what their array's card says they need not say again.
function brief({ device_id: id, array_id: array }, dense) {
  const own = dense && array && id.startsWith(`${array}-`) ? id.slice(array.length + 1) : id;
  const room = dense ? ROOM.dense : ROOM.wide;
  return own.length > room ? `${own.slice(0, room - 9)}…${own.slice(-8)}` : own;
}

// Only the worst have reasons with them; how each device is stands in its own row.
const healthOf = (device, ill) => ill.get(key(device))?.health ?? device.health ?? "ok";

const key = (device) => `${device.source_device}/${device.device_id ?? device.device}/${device.array_id ?? ""}`;

export function create(root, _args, refresh) {
  const counts = h("div", { class: "counts", role: "group", "aria-label": "Devices by state" });
  const search = h("input", { type: "search", placeholder: "Search devices", "aria-label": "Search devices" });
  const worst = h("section", { "aria-label": "Needs attention" });
  const arrays = h("section", { "aria-label": "Arrays" });
  const head = h("h1", {}, "Fleet");
  root.append(h("div", { class: "head" }, head, search), counts, worst, arrays);
  const tiles = new Map();
  const look = { state: "", text: "", all: false };
  let last = null;
  const again = () => last && update(last);
  search.addEventListener("input", () => { look.text = search.value.trim().toLowerCase(); again(); });

  async function load() {
    const [fleet, devices] = await Promise.all([
      ask("fleet_health", { limit: 1000 }), ask("devices", { limit: 10000 })]);
    return { fleet: fleet.data, devices: devices.data };
  }

  function update(data) {
    last = data;
    if (!data.devices.length && !data.fleet.devices_known) return nothing();
    const ill = new Map(data.fleet.devices.map((device) => [key(device), device]));
    drawCounts(data.fleet);
    const wanted = (device) =>
      (!look.state || healthOf(device, ill) === look.state) &&
      (!look.text || key(device).toLowerCase().includes(look.text));
    drawWorst(data.fleet, wanted);
    drawArrays(data.devices, ill, wanted);
  }

  function nothing() {
    tiles.clear();
    counts.replaceChildren();
    worst.replaceChildren();
    put(arrays, empty("No device has reported yet",
      h("p", {}, "Simulated devices report within seconds of ", h("code", {}, "./run.sh start"),
        "; real drives once DAEMON_SOURCES names them."),
      h("p", {}, "If nothing comes, ", h("code", {}, "./run.sh logs daemon"), " says why.")));
  }

  // The reader counts simulated devices apart; the tiles show both, so the sums do too.
  function drawCounts({ counts: real, simulated: { counts: simulated } = { counts: {} } }) {
    const by = Object.fromEntries(STATES.map((state) => [state, (real[state] ?? 0) + (simulated[state] ?? 0)]));
    const sum = (of) => Object.values(of).reduce((total, each) => total + each, 0);
    const [total, invented] = [sum(by), sum(simulated)];
    const words = (of) => STATES.filter((state) => of[state]).map((state) => `${of[state]} ${state}`).join(", ");
    const one = (state, label, count) =>
      h("button", {
        type: "button", class: `count ${state}`, "aria-pressed": String(look.state === state),
        "data-state": state,
      }, state ? sign(state) : "", h("strong", {}, String(count)), ` ${label}`);
    put(counts, one("", "devices", total), STATES.map((state) => one(state, state, by[state])),
      invented ? h("p", { class: "sub note" }, invented === total ? "All of them simulated"
        : `real: ${words(real)} · simulated: ${words(simulated)}`) : "");
  }
  counts.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    look.state = look.state === button.dataset.state ? "" : button.dataset.state;
    again();
    counts.querySelector(`[data-state="${button.dataset.state}"]`)?.focus();
  });

  function drawWorst(fleet, wanted) {
    const found = fleet.devices.filter(wanted);
    const known = look.text || look.state ? [] : fleet.acknowledged ?? [];
    const calm = known.length ? "Nothing alarms." : "Every device is well.";
    const quiet = known.length ? h("details", {}, h("summary", {}, `${known.length} known, quiet until worse`),
      h("ul", { class: "reasons" }, known.map((each) => h("li", {}, badge(each.severity), h("div", {},
        h("a", { href: deviceLink(each) }, each.device), h("p", {}, said(each.message))))))) : "";
    if (!found.length) {
      put(worst, look.text || look.state ? "" : h("p", { class: "calm" }, sign("ok"), calm), quiet);
      return;
    }
    const listed = look.all ? found : found.slice(0, WORST);
    put(worst, h("h2", {}, "Needs attention"),
      h("ol", { class: "worst" }, listed.map((device) => h("li", {},
        h("a", { href: deviceLink(device), class: `row ${device.health}` },
          badge(device.health), h("strong", {}, h("bdi", {}, device.device), device.simulated ? h("span", { class: "sub" }, " simulated") : ""),
          h("span", { class: "why" }, said(device.reasons?.[0]?.message ?? "no reason is told")),
          device.since ? since(device.since) : "")))),
      found.length > WORST
        ? h("button", { type: "button", class: "quiet", "data-all": "" },
          look.all ? "Show fewer" : fleet.matching > fleet.listed ? `Show the worst ${found.length}` : `Show all ${found.length}`) : "", quiet);
  }
  worst.addEventListener("click", (event) => {
    if (!event.target.closest("[data-all]")) return;
    look.all = !look.all;
    again();
  });

  function drawArrays(devices, ill, wanted) {
    const groups = Map.groupBy(devices.filter(wanted), (each) => each.array_id || "");
    const rank = (group) => Math.min(...group.map((each) => STATES.indexOf(healthOf(each, ill))));
    // This machine's own drives first: what is simulated must not hide them.
    const invented = (group) => Number(group.every((each) => each.simulated));
    const sorted = [...groups].sort((a, b) =>
      invented(a[1]) - invented(b[1]) || rank(a[1]) - rank(b[1]) || (a[0] === "") - (b[0] === "") || a[0].localeCompare(b[0], "en", { numeric: true }));
    const dense = devices.length > DENSE;
    arrays.classList.toggle("dense", dense);
    if (!sorted.length) return arrays.replaceChildren(h("p", { class: "calm" }, "No device matches."));
    const keep = document.activeElement;
    const cards = sorted.map(([name, members]) => card(name, members, ill, dense));
    arrays.replaceChildren(...cards);
    if (keep?.isConnected && keep !== document.activeElement) keep.focus({ preventScroll: true });
  }

  function card(name, members, ill, dense) {
    const title = name || "Without an array";
    const states = Object.groupBy(members, (each) => healthOf(each, ill));
    const said = STATES.filter((state) => states[state]).map((state) => `${states[state].length} ${state}`);
    const invented = members.every((each) => each.simulated);
    return h("article", { class: "array" },
      h("h3", {}, sign(STATES.find((state) => states[state])), title,
        h("span", { class: "sub" }, said.join(", ") + (invented ? " · simulated" : ""))),
      h("ul", { class: "tiles" }, members
        .toSorted((a, b) => a.device_id.localeCompare(b.device_id, "en", { numeric: true }))
        .map((device) => tile(device, healthOf(device, ill), ill.get(key(device))?.reasons?.[0]?.message, dense, !invented))));
  }

  // A tile lives as long as its view; only what differs is written, so that 1,000 stay fluent.
  function tile(device, health, why, dense, mixed) {
    const known = tiles.get(key(device));
    const has = Object.keys(SHOWN).filter((name) => device.metrics?.[name]);
    const read = (name, digits) => human(Number(device.metrics[name].value.toPrecision(digits)), device.metrics[name].unit);
    const readings = dense ? "" : has.slice(0, MOST).map((name) => SHOWN[name] + read(name, 2)).join(" · ");
    const reason = said(why ?? (health === "ok" ? "is well" : health));
    const made = `${dense}|${health}|${readings}|${reason}|${device.simulated && mixed}`;
    if (known?.made === made) return known.item;
    const item = known?.item ?? h("li", {}, h("a", { href: deviceLink(device) }));
    const link = item.firstChild;
    link.className = `tile ${health}`;
    link.title = [`${device.device_id}: ${reason}`, ...has.map((name) => `${words(name)} ${read(name, 4)}`)].join("\n");
    put(link, h("span", { class: "name" }, sign(health), h("bdi", {}, brief(device, dense)),
      h("span", { class: "hidden" }, ` ${health}`)),
    readings ? h("span", { class: "readings" }, readings) : "",
    device.simulated && mixed ? h("span", { class: "tag" }, "simulated") : "");
    tiles.set(key(device), { item, made });
    return item;
  }

  return { load, update };
}
