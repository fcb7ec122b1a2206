// What flows: rates, what waits, and whether every point is accounted for.

import { ask, health, post } from "./api.js";
import { badge, duration, facts, h, human, put, since, table } from "./dom.js";

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

const LISTED = 20; // dead letters that are shown, the oldest

export function create(root, _args, refresh) {
  const parts = h("section", { "aria-label": "Parts" });
  const sums = h("section", { "aria-label": "Ledger" });
  const streams = h("section", { "aria-label": "Streams" });
  const dead = h("section", { "aria-label": "Dead letters" });
  const said = h("p", { role: "status" });
  const [reasoned, kept] = [h("div"), h("div")];
  dead.append(reasoned, kept, said);
  root.append(h("div", { class: "head" }, h("h1", {}, "Pipeline")), parts, sums, streams, dead);
  let before = null;
  let [audit, audited] = [null, -Infinity];
  let [letters, listed, counted] = [null, -Infinity, null];
  // Where the store is away there is still a ledger: what waits, grows.
  const orNothing = (asked) => asked.then((answer) => answer.data, () => null);
  const load = async () => {
    if (performance.now() - audited > SELDOM) {
      audited = performance.now();
      audit = await orNothing(ask("audit", { window_minutes: 60 }));
    }
    let why = "";
    const devices = await ask("devices", { limit: 200 }).then((answer) => answer.data, (error) => { why = error.message; });
    const newest = devices?.map((each) => each.last_seen).sort().at(-1);
    const asked = await health();
    // Where all who are asked are there, what still fails is the store, and the reader says how.
    if (Object.values(asked).every((state) => state === "ok")) asked.store = why || "ok";
    put(parts, facts([...Object.entries(asked).map(([part, state]) =>
      [part === "nats" ? "NATS" : part[0].toUpperCase() + part.slice(1), h("span", {}, badge(state === "ok" ? "ok" : "critical"), state === "ok" ? "" : ` ${state}`)]),
    ["Newest reading", newest ? since(newest) : "not known"]]));
    const ledger = (await ask("ledger")).data;
    if (ledger.dead_lettered !== counted || performance.now() - listed > SELDOM) {
      letters = await orNothing(ask("deadletters", { limit: LISTED }));
      [counted, listed] = [ledger.dead_lettered, performance.now()];
    }
    return { ...ledger, audit };
  };

  const again = (chosen, label, name) => h("button", { type: "button", "aria-label": name,
    onclick: async ({ target }) => {
      target.disabled = true;
      said.textContent = "Sending …";
      try {
        const { replayed, refused, left } = await post("api/v1/deadletters/replay", chosen);
        said.textContent = [`${human(replayed)} sent again, ${human(left)} left.`, ...refused.slice(0, 3)].join(" ");
      } catch (error) {
        said.textContent = error.message;
      }
      target.disabled = false;
      listed = -Infinity;
      refresh();
    } }, label);

  function lettersTable() {
    if (!letters) return [h("p", { class: "sub" }, "The dead letters cannot be asked for now.")];
    if (!letters.total) return [h("p", { class: "sub" }, "No dead letter is kept.")];
    const kinds = [...new Set(letters.letters.map((letter) => letter.kind))].filter(Boolean);
    return [
      h("div", { class: "tools" }, kinds.map((kind) => again({ kind }, `Replay all ${kind.replaceAll("_", " ")}`))),
      table("Dead letters", ["Number", "Replay", "Reason", "Kind", "Subject", "When"],
        letters.letters.map((letter) => [letter.number,
          again({ numbers: [letter.number] }, "Replay", `Replay dead letter ${letter.number}`),
          letter.reason, letter.kind, letter.subject, since(letter.time)])),
      h("p", { class: "sub" }, letters.total > letters.letters.length
        ? `The oldest ${letters.letters.length} of ${human(letters.total)}. ` : "",
      "Replay sends a letter again where it came from: what is still wrong comes back. ",
      h("code", {}, "./run.sh deadletters show NUMBER"), " shows one whole."),
    ];
  }

  function update(ledger) {
    const at = performance.now();
    const rate = (now, then) => {
      const per = before && at > before.at ? ((now - then) * 1000) / (at - before.at) : null;
      return per === null || per < 0 ? "–" : human(per, "/s");
    };
    const then = before?.ledger;
    const taking = (seconds) => (seconds === null || seconds === undefined ? "–" : seconds < 60 ? human(seconds, "s") : duration(seconds));
    const slowest = (name) => {
      const known = ledger.streams.map((stream) => stream[name]).filter((seconds) => seconds !== undefined);
      return known.length ? taking(Math.max(...known)) : "nothing stored";
    };
    put(sums, facts([
      ["In", rate(ledger.received, then?.received)], ["Stored", rate(ledger.stored, then?.stored)],
      ["Latency", slowest("latency_p50_seconds")], ["Latency, 99 %", slowest("latency_p99_seconds")],
      ["Waiting", `${human(ledger.pending)}${ledger.pending && ledger.oldest_seconds ? ` for ${taking(ledger.oldest_seconds)}` : ""}`],
      ["In hand", human(ledger.in_flight)], ["Dead letters", human(ledger.dead_lettered)]]),
    h("p", { class: "sub" }, "Latency: from NATS to the store, in the last minute; half of what is stored is quicker, 99 % are."),
    ledger.writers ? h("p", { class: ledger.adds_up ? "calm" : "calm bad" }, badge(ledger.adds_up ? "ok" : "critical"),
      ledger.adds_up ? " Every point is accounted for: " : " The sums do not agree: ",
      `${human(ledger.received)} received = ${human(ledger.stored)} stored + `
      + `${human(ledger.dead_lettered)} dead letter${ledger.dead_lettered === 1 ? "" : "s"} + ${human(ledger.in_flight)} in hand.`)
      : h("p", { class: "calm bad" }, badge("critical"), " No writer answers: nothing is stored, and what is published waits at NATS."),
    auditLine(ledger.audit));
    put(streams, h("h2", {}, "Streams"), table("Streams",
      ["Stream", "Received", "Rate", "Latency", "99 %", "Waiting", "Oldest waits", "Delivered twice", "Held"],
      ledger.streams.map((stream) => [h("strong", {}, stream.stream), human(stream.received),
        rate(stream.received, then?.streams.find((each) => each.stream === stream.stream)?.received),
        taking(stream.latency_p50_seconds), taking(stream.latency_p99_seconds),
        human(stream.pending), taking(stream.oldest_seconds), human(stream.duplicates), human(stream.stream_bytes, "B")])));
    const reasons = ledger.streams.flatMap((stream) =>
      Object.entries(stream.dead_lettered_by_reason).map(([reason, count]) => [stream.stream, reason, human(count)]));
    put(reasoned, h("h2", {}, "Dead letters"), reasons.length
      ? table("Dead letters by reason", ["Stream", "Reason", "Points"], reasons)
      : h("p", { class: "sub" }, "None since the writers started."));
    put(kept, ...lettersTable());
    before = { at, ledger };
  }
  return { load, update };
}
