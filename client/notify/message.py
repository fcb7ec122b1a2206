"""What is told, in a few lines that fit on a phone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

import orjson

from spindle import advice

RANK = {"ok": 0, "unknown": 1, "warning": 2, "critical": 3}
Kind = Literal["failure", "warning", "success", "info"]
_KINDS: dict[str, Kind] = {"critical": "failure", "warning": "warning", "unknown": "warning"}
MOST_DEVICES = 10  #: told one by one in a message; the others are counted
_LONGEST = 200  # characters of a sentence
_LONGEST_NAME = 36  # characters in a title, which then fits on a phone


@dataclass(frozen=True, slots=True)
class Change:
    """A device that is in another state than it was.

    :ivar why: one sentence; empty where it is well.
    :ivar advice: what to do about it; empty where that is not known.
    :ivar acknowledged: something that it has is: being well by that is not being well again.
    :ivar time: when, as RFC 3339.
    """

    device: str
    source_device: str
    array: str
    old: str
    new: str
    why: str
    simulated: bool
    acknowledged: bool
    time: str
    advice: str = ""

    @property
    def is_worse(self) -> bool:
        return RANK[self.new] > RANK[self.old]

    @property
    def key(self) -> tuple[str, str, str]:
        return self.source_device, self.array, self.device

    def is_told(self, least: str) -> bool:
        """Whether anybody wants to know: it got worse, or it is over.

        :param least: the least state that is told.
        """
        if self.is_worse:  # whatever else is acknowledged: that counts for nothing in a state
            return RANK[self.new] >= RANK[least]
        return self.new == "ok" and RANK[self.old] >= RANK[least] and not self.acknowledged


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent to everybody."""

    title: str
    body: str
    kind: Kind


def read(payload: bytes) -> Change | None:
    """A message of ``health.changed``; None where it is none."""
    try:
        said = orjson.loads(payload)
        reasons = [row for row in said["reasons"] if row.get("severity") != "ok"]
        first = reasons[0] if reasons else {"severity": "ok", "message": ""}
        change = Change(
            device=str(said["device"]),
            source_device=str(said["source_device"]),
            array=str(said["array_id"] or ""),
            old=said["old_state"],
            new=said["new_state"],
            why=_said(first),
            simulated=bool(said.get("simulated")),
            acknowledged=any(row.get("acknowledged") for row in said["reasons"]),
            time=str(said["time"]),
            advice=advice.of(first["severity"], first.get("metric_type"), first.get("event_type")),
        )
    except (orjson.JSONDecodeError, AttributeError, LookupError, TypeError):
        return None
    return change if {change.old, change.new} <= RANK.keys() else None


def _said(reason: Mapping[str, Any]) -> str:
    """A reason's sentence, with units as people write them."""
    return str(reason["message"]).replace(" degC", " °C")


def latest(changes: Iterable[Change]) -> list[Change]:
    """Several changes of a device as one, from what it was at first to what it is now.

    One that is as it was has been something else meanwhile, and that is told. The worst come first.
    """
    of_each: dict[tuple[str, str, str], list[Change]] = {}
    for change in changes:
        of_each.setdefault(change.key, []).append(change)
    found = []
    for own in of_each.values():
        first, last = own[0].old, own[-1]
        worst = max((each.new for each in own), key=RANK.__getitem__)
        found.append(replace(last, old=worst if first == last.new else first))
    return sorted(found, key=lambda each: (-RANK[each.new], each.simulated, each.key))


def of_changes(changes: Sequence[Change], page: str) -> Message:
    """One message for all of them.

    :param changes: the worst first, as ``latest`` gives them; at least one.
    :param page: address of the page, empty for no link.
    """
    lines = [_line(change) for change in changes[:MOST_DEVICES]]
    if len(changes) > MOST_DEVICES:
        lines.append(f"and {len(changes) - MOST_DEVICES} more")
    worst = changes[0]
    if len(changes) == 1 and worst.new != "ok" and worst.advice:
        lines.append(f"What to do: {worst.advice}")
    if page:
        lines.append(_link(changes, page))
    return Message(_title(changes), "\n".join(lines), _KINDS.get(worst.new, "success"))


def _title(changes: Sequence[Change]) -> str:
    worst = changes[0]
    if len(changes) == 1:
        return f"{_name(worst, _LONGEST_NAME)}: {'well again' if worst.new == 'ok' else worst.new}"
    counts = {state: sum(each.new == state for each in changes) for state in reversed(RANK)}
    told = [f"{n} {'well again' if state == 'ok' else state}" for state, n in counts.items() if n]
    return f"{len(changes)} devices: {', '.join(told)}"


def _name(change: Change, most: int = _LONGEST) -> str:
    name = (
        change.device if change.array in ("", change.device) else f"{change.array}/{change.device}"
    )
    if len(name) > most:  # ends tell disks apart
        name = f"…{name[1 - most :]}"
    return f"{name} (simulated)" if change.simulated else name


def _line(change: Change) -> str:
    if change.new == "ok":
        return f"{_name(change)}: well again{_at(change)}, was {change.old}"
    why = change.why[:_LONGEST]
    return f"{_name(change)}: {change.new}{_at(change)}. {why}".rstrip(". ") + "."


def _at(change: Change) -> str:
    """Since when, by the clock on this machine's wall; the date too, as it may be read late."""
    try:
        moment = datetime.fromisoformat(change.time).astimezone()
    except ValueError:
        return ""
    return f" since {moment:%d %b %H:%M %Z}"


def _link(changes: Sequence[Change], page: str) -> str:
    if len(changes) > 1:
        return f"{page.rstrip('/')}/#/fleet"
    one = changes[0]
    parts = [one.source_device, one.device, one.array]
    return f"{page.rstrip('/')}/#/device/" + "/".join(quote(p, safe="") for p in parts if p)


def digest(fleet: Mapping[str, Any], page: str) -> Message:
    """The day's summary, of an answer to ``fleet_health``."""
    counts, known = fleet["counts"], fleet["devices_known"]
    sick = [f"{counts[s]} {s}" for s in ("critical", "warning", "unknown") if counts.get(s)]
    title = f"{known} device{'' if known == 1 else 's'}: {', '.join(sick) or 'all well'}"
    real = [each for each in fleet["devices"] if not each.get("simulated") and each["reasons"]]
    lines = [
        f"{each['device']}: {each['health']}. {_said(each['reasons'][0])[:_LONGEST]}"
        for each in real[:MOST_DEVICES]
    ]
    if simulated := fleet.get("simulated"):
        lines.append(f"and {simulated['devices_known']} simulated")
    lines += [f"{page.rstrip('/')}/#/fleet"] if page else []
    return Message(f"Today: {title}", "\n".join(lines) or title, "info")
