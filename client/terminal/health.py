"""``health``: the fleet's or a device's state as a monitoring plug-in tells it.

Exit codes and the line with performance data are those of the Monitoring Plugins Development
Guidelines (https://www.monitoring-plugins.org/doc/guidelines.html), which Nagios, Icinga, Checkmk
and Zabbix read: ``STATE: sentence | 'label'=value;warning;critical``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from client.ask import Refused
from client.verbs.asking import Asker
from spindle.catalog import METRICS

EXIT_CODES = {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}
_WORST_FIRST = ("critical", "warning", "unknown")
#: Units of measure that the guidelines know; others are left out.
_UNITS = {"%": "%", "s": "s", "ms": "ms", "B": "B"}
_BREAKS = str.maketrans("|\n\r", "/  ")  # what would end the sentence or the line


@dataclass(frozen=True, slots=True)
class Report:
    """The state of the fleet or of a device, as it is printed.

    :ivar state: ok, warning, critical or unknown.
    :ivar sentence: why, or how much is well.
    :ivar details: further sentences, the worst first.
    :ivar values: numbers by label: value, unit, warning and critical limit.
    :ivar data: the reader's answer, for JSON.
    """

    state: str
    sentence: str
    details: list[str] = field(default_factory=list)
    values: dict[str, tuple[float, str, float | None, float | None]] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.state]


async def of_fleet(asker: Asker, array_id: str | None = None) -> Report:
    """The report on the real devices; on the simulated ones where there are no others.

    :raises ReaderAway, Refused: as ``Asker.ask``.
    """
    data = (await asker.ask("fleet_health", array_id=array_id))["data"]
    simulated = not data["devices_known"] and bool(data.get("simulated"))
    told = data["simulated"] if simulated else data
    counts, known = told["counts"], told["devices_known"]
    if not known:
        return Report("unknown", "no device is known", data=data)
    sick = [f"{counts[state]} {state}" for state in _WORST_FIRST if counts.get(state)]
    numbers = {"devices": known} | counts
    noun, verb = ("device", "is") if known == 1 else ("devices", "are")
    which = f"{known} {'simulated ' if simulated else ''}{noun}"
    return Report(
        state=told["health"],
        sentence=f"{', '.join(sick)} of {which}" if sick else f"{which} {verb} well",
        details=[
            f"{each['device']} {each['health']}: {each['reasons'][0]['message']}"
            for each in data["devices"]
            if each["reasons"] and bool(each.get("simulated")) == simulated
        ],
        values={name: (float(n), "", None, None) for name, n in numbers.items()},
        data=data,
    )


async def of_device(asker: Asker, device_id: str, array_id: str | None = None) -> Report:
    """:raises ReaderAway, Refused: as ``Asker.ask``; refused too where there is no such device."""
    who = {"device_id": device_id, "array_id": array_id}
    data = (await asker.ask("device_health", **who))["data"]
    rows = (await asker.ask("devices", **who, limit=1))["data"]
    if not rows:
        raise Refused(f"no device {device_id} is known; ./run.sh query devices lists all")
    reasons = [reason["message"] for reason in data["reasons"]]
    if "array" in data and data["health"] != "ok":
        reasons.insert(0, data["array"]["message"])
    well = f"{device_id} is {'well' if data['health'] == 'ok' else data['health']}"
    return Report(
        state=data["health"],
        sentence=f"{device_id}: {reasons[0]}" if reasons else well,
        details=reasons[1:],
        values=dict(_readings(rows[0]["metrics"])),
        data=data,
    )


def _readings(
    metrics: Mapping[str, Mapping[str, Any]],
) -> Iterator[tuple[str, tuple[float, str, float | None, float | None]]]:
    for name, reading in metrics.items():
        known = METRICS.get(name)
        limits = (known.warning, known.critical) if known else (None, None)
        yield name, (reading["value"], _UNITS.get(reading["unit"] or "", ""), *limits)


def nagios(report: Report) -> str:
    """One line, further sentences below it, as plug-ins print it."""
    numbers = " ".join(_number(label, *value) for label, value in report.values.items())
    first = f"{report.state.upper()}: {report.sentence.translate(_BREAKS)}"
    lines = [f"{first} | {numbers}" if numbers else first]
    return "\n".join(lines + [detail.translate(_BREAKS) for detail in report.details])


def _number(
    label: str, value: float, unit: str, warning: float | None, critical: float | None
) -> str:
    limits = [f"{limit:g}" if limit is not None else "" for limit in (warning, critical)]
    quoted = "'" + label.replace("'", "").replace("=", "") + "'"
    return f"{quoted}={value:.10g}{unit};{limits[0]};{limits[1]}".rstrip(";")


def plain(report: Report) -> str:
    """The report as text for people."""
    return "\n".join([f"{report.state}: {report.sentence}", *(f"  {d}" for d in report.details)])


def as_object(report: Report) -> dict[str, Any]:
    """The report as JSON: ``{health, message, exit_code, values, answer}``."""
    return {
        "health": report.state,
        "message": report.sentence,
        "exit_code": report.exit_code,
        "values": {
            label: {"value": value, "unit": unit, "warning": warning, "critical": critical}
            for label, (value, unit, warning, critical) in report.values.items()
        },
        "answer": dict(report.data),
    }
