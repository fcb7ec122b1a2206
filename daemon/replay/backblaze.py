"""A row of Backblaze's daily drive statistics as readings. Pure.

Columns: ``date, serial_number, model, capacity_bytes, failure, smart_N_normalized, smart_N_raw``,
and since 2023 some more, which are not read. What a raw value means is the table of the source
``smart``. Backblaze does not say what smartctl called an attribute: those whose meaning changes
with the maker (the wear of solid-state drives) are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

from daemon.drive_ids import drive_id, valid_name
from daemon.messages import DISK
from daemon.smart.attributes import attributes_of
from daemon.smart.facts import facts_of, rotation_of
from daemon.smart.fields import MOST_HOURS
from daemon.smart.table import BY_ID, TEMPERATURE_ATTRIBUTES
from spindle import timestamps
from spindle.errors import InvalidInput
from spindle.models import DeviceFacts, Event
from spindle.store.base import NO_ARRAY, Series
from spindle.text import shown

COLUMNS = ("date", "serial_number", "model", "capacity_bytes", "failure")
#: What smartctl calls the attributes that mean the same for every maker, where the table asks.
NAMES = {
    10: "Spin_Retry_Count",
    22: "Helium_Level",
    184: "End-to-End_Error",
    188: "Command_Timeout",
    193: "Load_Cycle_Count",
    196: "Reallocated_Event_Count",
    198: "Offline_Uncorrectable",
}
#: Attributes that are read, of the ninety that have columns.
MEANT = frozenset((9, *BY_ID, *TEMPERATURE_ATTRIBUTES))
_FAILURES = UUID("5b0c1a39-5e5f-5d0a-8f0e-0d6c3d1f7a42")  # namespace of the ids of their events


class Day:
    """Reads rows under one header; remembers whose facts were told."""

    def __init__(self, header: Sequence[str]) -> None:
        self._at = {name: place for place, name in enumerate(header)}
        self._attributes = [
            (number, self._at[f"smart_{number}_raw"], self._at.get(f"smart_{number}_normalized"))
            for number in sorted(MEANT)
            if f"smart_{number}_raw" in self._at
        ]
        self._series: dict[tuple[str, str], Series] = {}
        self._told: set[str] = set()

    def records(self, row: Sequence[str]) -> list[Any]:
        """Readings, the failure as an event, and once what the drive is.

        :raises InvalidInput: a column is missing, or one is not what it must be.
        """
        if len(row) != len(self._at):
            raise InvalidInput(f"{len(row)} columns, expected {len(self._at)} as in the header")
        date, serial, model, _, failure = (row[self._at[name]].strip() for name in COLUMNS)
        try:
            time_ns = timestamps.parse(f"{date}T00:00:00Z")
        except ValueError:
            raise InvalidInput(
                f"the date is {shown(date)}, expected one such as 2024-01-31"
            ) from None
        if not serial or not model or failure not in ("0", "1"):
            raise InvalidInput("expected a serial number, a model, and 0 or 1 for failure")
        device = drive_id("", model, serial) or valid_name(f"{model}-{serial}")
        output = self._output(row, model, serial)
        said: list[Any] = [
            (self._known(device, name), time_ns, value) for name, value in _metrics(output).items()
        ]
        if failure == "1":
            said.append(_failure(device, time_ns, date))
        if device not in self._told:
            self._told.add(device)
            facts = {"timestamp": time_ns, "source_device": DISK, "device_id": device}
            said.append(DeviceFacts.model_validate({**facts, **dict(facts_of(output))}))
        return said

    def metrics(self, row: Sequence[str]) -> dict[str, float]:
        """What the drive says of its health, read as the source ``smart`` would."""
        model, serial = row[self._at["model"]].strip(), row[self._at["serial_number"]].strip()
        return _metrics(self._output(row, model, serial))

    def _output(self, row: Sequence[str], model: str, serial: str) -> dict[str, Any]:
        """The row as smartctl would say it."""
        table, hours = [], None
        for number, place, normalized in self._attributes:
            raw = row[place].strip()
            if not raw:
                continue
            if number == 9:  # some makers count minutes in the upper bits
                hours = int(float(raw)) & 0xFFFFFFFF
            level = row[normalized].strip() if normalized is not None else ""
            table.append(
                {
                    "id": number,
                    "name": NAMES.get(number, ""),
                    "value": level or None,
                    "raw": {"value": raw, "string": ""},
                }
            )
        capacity = self._at.get("capacity_bytes")
        return {
            "model_name": model,
            "serial_number": serial,
            "rotation_rate": rotation_of(model),
            "in_smartctl_database": False,  # the names of what flash says are not told
            "user_capacity": {"bytes": "" if capacity is None else row[capacity].strip()},
            "power_on_time": {"hours": hours},
            "ata_smart_attributes": {"table": table},
        }

    def _known(self, device: str, metric_type: str) -> Series:
        key = (device, metric_type)
        if key not in self._series:
            self._series[key] = Series(DISK, metric_type, device, NO_ARRAY)
        return self._series[key]


def _metrics(output: Mapping[str, Any]) -> dict[str, float]:
    """What is in these rows; a whole output says more, and takes longer to understand."""
    said = dict(attributes_of(output))
    hours = output["power_on_time"]["hours"]
    return said if hours is None or hours > MOST_HOURS else {**said, "PowerOnHours": float(hours)}


def _failure(device: str, time_ns: int, date: str) -> Event:
    return Event(
        id=str(uuid5(_FAILURES, f"{device} {date}")),
        timestamp=time_ns,
        source_device=DISK,
        device_id=device,
        criticality=10,
        event_type="DriveFailure",
        event_message="It was in operation on this day for the last time, and failed (Backblaze)",
    )
