// The car park: who is inside, how full it was, how long stays are, and what did not match.

import { ask } from "./api.js";
import { chart } from "./chart.js";
import { clock, duration, empty, facts, h, human, put, since, table } from "./dom.js";

export const SECONDS = 10;
const LISTED = 20; // vehicles in each table
export const WANTS = ["visit"];

export function create(root) {
  const summary = h("section", { "aria-label": "Last 24 hours" });
  const plot = h("section", { class: "card", "aria-label": "Occupancy" }, h("h2", { class: "hidden" }, "Occupancy"));
  const inside = h("section", { "aria-label": "Inside now" });
  const visits = h("section", { "aria-label": "Last visits" });
  root.append(h("div", { class: "head" }, h("h1", {}, "Parking")), summary, plot,
    h("div", { class: "columns" }, inside, visits));
  let drawn = null;

  async function load() {
    const [sum, now, past, over] = await Promise.all([
      ask("parking_summary", { since_minutes: 1440 }), ask("parking_inside", { limit: LISTED }),
      ask("parking_visits", { since_minutes: 1440, limit: LISTED }),
      ask("parking_occupancy", { since_minutes: 1440, every_seconds: 300 })]);
    return { sum: sum.data, now, past: past.data, over: over.data };
  }

  function update({ sum, now, past, over }) {
    const stay = (seconds) => (seconds === null ? "–" : duration(seconds));
    put(summary, facts([
      ["Inside now", String(now.count)], ["Visits in 24 h", String(sum.visits)],
      ["Median stay", stay(sum.median_stay_seconds)], ["95 % stay below", stay(sum.p95_stay_seconds)],
      ["Unmatched", sum.visits ? `${((100 * sum.unmatched) / sum.visits).toFixed(1)} %` : "–"]]));
    const steps = over.map((step) => [Date.parse(step.time) / 1000, step.inside, step.inside, step.inside]);
    steps.push([Date.now() / 1000, now.count, now.count, now.count]);
    drawn ??= chart(plot, { title: "Vehicles inside, 24 h", unit: "" });
    drawn.show(steps, {});
    const newest = (count) => (count > LISTED ? h("span", { class: "sub" }, ` the last ${LISTED} of ${human(count)}`) : "");
    put(inside, h("h2", {}, "Inside now", newest(now.count)), now.data.length
      ? table("Vehicles inside, last first", ["Plate", "Since", "Lot"],
        now.data.map((each) => [h("strong", {}, each.vehicle_plate), since(each.entry_date_time), each.lot ?? ""]))
      : empty("Nobody is inside", h("p", {}, "Entries are taken on parking.entry.")));
    put(visits, h("h2", {}, "Last visits", newest(sum.visits)), past.length
      ? table("Visits, latest first", ["Plate", "Left", "Stay", "Status"], past.map((each) => [
        h("strong", {}, each.vehicle_plate), clock(each.exit_date_time),
        each.duration_seconds === null ? "–" : duration(each.duration_seconds), each.status]))
      : empty("No visits yet", h("p", {}, "A visit is an entry and the exit that matches it.")));
  }
  return { load, update, close: () => drawn?.close() };
}
