"""The file of thresholds: what may stand in it, and the sentence for what may not.

::

    [metrics.DiskTemp]             # of every device
    warning = 50                   # from here on; false for none
    critical = 55
    leave_warning = 48             # over when better than this
    enter_seconds = 30             # every reading of so long is past the limit before it counts
    leave_seconds = 60             # and better before it is over

    [classes.CloudStorage.Latency] # of a class of devices
    warning = 200
    critical = 1000

    [arrays.nas.DiskTemp]          # of the devices of an array or host
    warning = 45

    [devices."array1-disk3"]       # of one device
    interval_seconds = 60          # between its readings; learnt where nobody says
"""

from __future__ import annotations

import tomllib
from copy import deepcopy
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from reader.health.limits import Limits, Thresholds
from spindle.errors import InvalidSettings
from spindle.models import NAME_EXPECTED, Name
from spindle.text import shown

_Place = tuple[str, ...]  # where in the file: the tables' names, and a key


class _Table(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class MetricTable(_Table):
    """What may be said of a metric; the descriptions are what an error names as expected."""

    warning: float | Literal[False] | None = Field(None, description="a number, or false for none")
    critical: float | Literal[False] | None = Field(None, description="a number, or false for none")
    leave_warning: float | None = Field(None, description="a number")
    leave_critical: float | None = Field(None, description="a number")
    enter_seconds: float | None = Field(None, ge=0, le=900, description="seconds from 0 to 900")
    leave_seconds: float | None = Field(None, ge=0, le=900, description="seconds from 0 to 900")
    bad: Literal["high", "low"] | None = Field(None, description="high or low")
    unit: str | None = Field(None, max_length=20, description="a text of up to 20 characters")


class DeviceTable(_Table):
    """What may be said of a device, an array or a class, beside the tables of its metrics."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[Name, MetricTable] = Field(init=False)
    interval_seconds: float | None = Field(
        None, gt=0, le=86_400, description="seconds above 0, to 86400"
    )


class ThresholdsFile(_Table):
    """The whole file."""

    metrics: dict[Name, MetricTable] = {}
    classes: dict[Name, DeviceTable] = {}
    arrays: dict[Name, DeviceTable] = {}
    devices: dict[Name, DeviceTable] = {}


_LARGEST_FILE = 16 * 2**20  # bytes: some 100,000 devices with limits of their own
_NARROWER = ("classes", "arrays", "devices")
_FIELDS = {**MetricTable.model_fields, **DeviceTable.model_fields}


def load(path: str) -> Thresholds:
    """The catalogue's thresholds with the file's over them; an empty path: the catalogue's.

    :raises InvalidSettings: every mistake in the file at once.
    """
    if not path:
        return Thresholds()
    try:
        with Path(path).open("rb") as content:  # which may have no end, as /dev/zero
            table = tomllib.loads(content.read(_LARGEST_FILE).decode())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InvalidSettings([f"it cannot be read: {reason}"]) from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidSettings([f"it is not TOML: {error}"]) from None
    file, mistakes = _checked(table)
    thresholds = Thresholds(_by_place(file))
    told = [
        f"{'.'.join(place)}: {wrong}"
        for place in thresholds.words
        if place[-1] and not any(each[: len(place)] == place for each in mistakes)
        for wrong in what_is_wrong(_as_meant(thresholds, place))
    ]
    if mistakes or told:
        raise InvalidSettings([*mistakes.values(), *told])
    return thresholds


def _checked(table: dict[str, Any]) -> tuple[ThresholdsFile, dict[_Place, str]]:
    """The good part of the file, so that further mistakes are found too; and its mistakes."""
    try:
        return ThresholdsFile.model_validate(table), {}
    except ValidationError as error:
        mistakes = dict(_mistake(item) for item in error.errors())
    good = deepcopy(table)
    for place in sorted(mistakes, key=len, reverse=True):  # what is inside first
        del reduce(getitem, place[:-1], good)[place[-1]]
    return ThresholdsFile.model_validate(good), mistakes


def _mistake(item: ErrorDetails) -> tuple[_Place, str]:
    """The place of a mistake in the file, and its sentence."""
    kind, *inside = map(str, item["loc"])
    if not inside:
        return (kind,), f"{shown(kind)}: expected tables metrics, classes, arrays or devices"
    # What pydantic adds to the place, such as which type of a union did not fit, is left out.
    depth = 2 if kind == "metrics" or inside[1:2] == ["interval_seconds"] else 3
    place = (kind, *(part for part in inside[:depth] if part != "[key]"))
    where = ".".join(place)
    where = where if where.isprintable() else shown(where)
    given = f"given {shown(item['input'])}"
    if item["type"] == "value_error":  # a name; given is the name itself
        return place, f"{where}: {given}, expected {NAME_EXPECTED}"
    if item["type"] == "extra_forbidden":
        return (
            place,
            f"{where}: there is no such key, expected {', '.join(MetricTable.model_fields)}",
        )
    if item["type"] != "model_type":
        return place, f"{where}: {given}, expected {_FIELDS[place[-1]].description}"
    if len(place) == 3:
        expected = "interval_seconds or the table of a metric"
        return place, f"{where}: there is no such key, expected {expected}"
    return place, f"{where}: {given}, expected a table"


def _by_place(file: ThresholdsFile) -> dict[_Place, dict[str, Any]]:
    """The file's content in the form that ``Thresholds`` takes."""
    words: dict[_Place, dict[str, Any]] = {}
    for kind, tables in file.model_dump(exclude_unset=True).items():
        for name, said in tables.items():
            if kind == "metrics":
                words[kind, name] = said
                continue
            own = said.keys() & DeviceTable.model_fields.keys()
            words[kind, name, ""] = {key: said[key] for key in own}
            words |= {(kind, name, each): said[each] for each in said.keys() - own}
    return words


def _as_meant(thresholds: Thresholds, place: _Place) -> Limits | None:
    """The limits where the file's words apply, to see whether they make sense together."""
    kind, name, metric_type = place if len(place) == 3 else (place[0], "", place[1])
    class_, array, device = (name if kind == each else "" for each in _NARROWER)
    return thresholds.limits_of(metric_type, class_, device, array)


def what_is_wrong(limits: Limits | None) -> list[str]:
    """Sentences about limits of one metric that do not make sense together."""
    if limits is None:
        return []
    wrong = []
    better, worse = ("below", "above") if limits.bad == "high" else ("above", "below")
    for name, limit in (("warning", limits.warning), ("critical", limits.critical)):
        if (
            limit is not None
            and limits.reached(limit.leave, limit.enter)
            and (limit.leave != limit.enter)
        ):
            wrong.append(
                f"leave_{name} {limit.leave:g} must lie {better} {name} {limit.enter:g}, "
                f"because {limits.bad} is bad"
            )
    warning, critical = limits.warning, limits.critical
    if warning and critical and not limits.reached(critical.enter, warning.enter):
        wrong.append(
            f"critical {critical.enter:g} must not lie {better} warning {warning.enter:g}: "
            f"what lies {worse} is bad"
        )
    return wrong
