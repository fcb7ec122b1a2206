"""Which drives are there: what each is, and the one that is gone. No I/O but the facts given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from spindle.timestamps import NS, duration

#: So long a drive must be away before it counts as gone: resetting a link or moving to another slot
#: takes seconds.
GONE_NS = 15 * NS
#: From one look at the facts to the next where no drive came or went: the slot may change.
LOOK_NS = 60 * NS
#: From one time that all facts are told to the next: NATS may have lost its data.
TELL_NS = 600 * NS


class Change(NamedTuple):
    """A drive that has gone, or come back.

    :ivar removable: it is made to be taken away.
    """

    device_id: str
    gone: bool
    removable: bool
    said: str


class _Drive(NamedTuple):
    name: str
    facts: Mapping[str, Any]
    removable: bool


class Inventory:
    """The drives of one machine, as they come and go. Mutable.

    :param facts_of: what the machine says of a drive by its name, fields of ``DeviceFacts``.
    :param is_removable: whether a drive of that name is made to be taken away.
    """

    def __init__(
        self,
        facts_of: Callable[[str], Mapping[str, Any]],
        is_removable: Callable[[str], bool],
    ) -> None:
        self._facts_of, self._is_removable = facts_of, is_removable
        self._drives: dict[str, _Drive] = {}  # by deviceId, those that are there or just left
        self._seen_ns: dict[str, int] = {}  # when each was last there
        self._gone: dict[str, _Drive] = {}  # told to be gone
        self._looked_ns = self._told_ns = -TELL_NS

    def update(self, present: Mapping[str, str], now_ns: int) -> list[Change]:
        """Take which drives are there, names by ``deviceId``; each change is told once."""
        changes = []
        self._seen_ns.update(dict.fromkeys(present, now_ns))
        for device_id in present.keys() & self._gone.keys():
            drive = self._gone.pop(device_id)
            said = f"{_what(drive)} is back, as /dev/{present[device_id]}"
            changes.append(Change(device_id, gone=False, removable=drive.removable, said=said))
        for device_id in list(self._drives.keys() - present.keys()):
            drive, away = self._drives[device_id], now_ns - self._seen_ns[device_id]
            learnt = device_id.endswith(f"-{drive.name}") and drive.name in present.values()
            if learnt:  # it had no name of its own until udev was asked
                del self._drives[device_id], self._seen_ns[device_id]
            elif away >= GONE_NS:
                self._gone[device_id] = drive
                del self._drives[device_id], self._seen_ns[device_id]
                said = f"{_what(drive)} is gone: this machine has not seen it for "
                said += duration(away / NS)
                changes.append(Change(device_id, gone=True, removable=drive.removable, said=said))
        return changes

    def news(self, present: Mapping[str, str], now_ns: int) -> dict[str, Mapping[str, Any]]:
        """The facts to tell now, by ``deviceId``: what is new, and now and then all."""
        names = {device_id: drive.name for device_id, drive in self._drives.items()}
        same = all(names.get(device_id) == name for device_id, name in present.items())
        if same and 0 <= now_ns - self._looked_ns < LOOK_NS:
            return {}
        self._looked_ns = now_ns
        everything = not 0 <= now_ns - self._told_ns < TELL_NS
        if everything:
            self._told_ns = now_ns
        found = {}
        for device_id, name in present.items():
            facts = self._facts_of(name)
            known = self._drives.get(device_id)
            if everything or known is None or known.facts != facts:
                found[device_id] = facts
            self._drives[device_id] = _Drive(name, facts, self._is_removable(name))
        return found


def _what(drive: _Drive) -> str:
    """``/dev/sda (ST4000NM0035, serial ZC1)``."""
    said = [str(drive.facts["model"])] if drive.facts.get("model") else []
    said += [f"serial {drive.facts['serial']}"] if drive.facts.get("serial") else []
    return f"/dev/{drive.name}" + (f" ({', '.join(said)})" if said else "")
