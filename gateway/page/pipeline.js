// What flows: rates, what waits, and whether every point is accounted for.

import { ask, health } from "./api.js";
import { ago, badge, facts, h, human, put, table } from "./dom.js";

export const SECONDS = 3;
export const WANTS = [];
const SELDOM = 30000; // milliseconds between two looks at what costs the store something

// Of the last hour: what was acknowledged, beside what the store holds.
function auditLine(audit) {
  if (!audit) return h("p", { class: "calm" }, badge("unknown"), " The audit of the last hour cannot be asked for now.");
  if (audit.complete) return h("p", { class: "calm" }, badge("ok"), " Audit of the last hour: the store holds all that was acknowledged.");
  return h("p", { class: "calm bad" }, badge("critical"),
    ` Audit of the last hour: what was acknowledged is missing in ${human(audit.missing.length)} places; `,
    h("code", {}, "./run.sh audit"), " names them.");
}

export function create(root) {
  const parts = h("section", { "aria-label": "Parts" });
  const sums = h("section", { "aria-label": "Ledger" });
  const streams = h("section", { "aria-label": "Streams" });
  const dead = h("section", { "aria-label": "Dead letters" });
  root.append(h("div", { class: "head" }, h("h1", {}, "Pipeline")), parts, sums, streams, dead);
  let before = null;
  let [audit, audited] = [null, -Infinity];
  // Where the store is away there is still a ledger: what waits, grows.
  const orNothing = (asked) => asked.then((answer) => answer.data, () => null);
  const load = async () => {
    if (performance.now() - audited > SELDOM) {
      audited = performance.now();
      audit = await orNothing(ask("audit", { window_minutes: 60 }));
    }
    const devices = await orNothing(ask("devices", { limit: 200 }));
    const newest = devices?.map((each) => each.last_seen).sort().at(-1);
    const asked = await health();
    put(parts, facts(Object.entries(asked).map(([part, state]) =>
      [part, h("span", {}, badge(state === "ok" ? "ok" : "critical"), state === "ok" ? "" : ` ${state}`)])));
    return { ...(await ask("ledger")).data, newest, audit };
  };

  function update(ledger) {
    const at = performance.now();
    const rate = (now, then) => {
      const per = before && at > before.at ? ((now - then) * 1000) / (at - before.at) : null;
      return per === null || per < 0 ? "–" : human(per, "/s");
    };
    const then = before?.ledger;
    put(sums, facts([
      ["In", rate(ledger.received, then?.received)], ["Stored", rate(ledger.stored, then?.stored)],
      ["Waiting", human(ledger.pending)], ["In hand", human(ledger.in_flight)],
      ["Dead letters", human(ledger.dead_lettered)],
      ["Newest reading", ledger.newest ? h("time", { datetime: ledger.newest, "data-since": ledger.newest }, ago(ledger.newest)) : "not known"],
      ["Writers", ledger.writers ? String(ledger.writers) : "none answers"]]),
    h("p", { class: ledger.adds_up ? "calm" : "calm bad" }, badge(ledger.adds_up ? "ok" : "critical"),
      ledger.adds_up ? " Every point is accounted for: " : " The sums do not agree: ",
      `${human(ledger.received)} received = ${human(ledger.stored)} stored + `
      + `${human(ledger.dead_lettered)} dead letters + ${human(ledger.in_flight)} in hand.`),
    auditLine(ledger.audit));
    put(streams, h("h2", {}, "Streams"), table("Streams",
      ["Stream", "Received", "Rate", "Waiting", "Twice delivered", "Held"],
      ledger.streams.map((stream) => [h("strong", {}, stream.stream), human(stream.received),
        rate(stream.received, then?.streams.find((each) => each.stream === stream.stream)?.received),
        human(stream.pending), human(stream.duplicates), human(stream.stream_bytes, "B")])));
    const reasons = ledger.streams.flatMap((stream) =>
      Object.entries(stream.dead_lettered_by_reason).map(([reason, count]) => [stream.stream, reason, human(count)]));
    put(dead, h("h2", {}, "Dead letters"), reasons.length
      ? h("div", {}, table("Dead letters by reason", ["Stream", "Reason", "Points"], reasons),
        h("p", {}, h("code", {}, "./run.sh deadletters list"), " shows each; ",
          h("code", {}, "./run.sh deadletters replay"), " sends them again once the cause is gone."))
      : h("p", { class: "sub" }, "None since the writers started."));
    before = { at, ledger };
  }
  return { load, update };
}
