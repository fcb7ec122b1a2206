"""The file of thresholds: what may stand in it, and the sentence for what may not.

Pure but for ``load``.

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

    [devices."array1-disk3"]       # of one device
    interval_seconds = 60          # between its readings; learnt where nobody says
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from reader.health.limits import Limits, Thresholds
from spindle.errors import InvalidSettings
from spindle.models import NAME_EXPECTED, NAME_PATTERN, shown

_Place = tuple[str, ...]
_Check = tuple[Callable[[Any], bool], str]


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


_NUMBER: _Check = (_number, "a number")
_LIMIT: _Check = (lambda v: v is False or _number(v), "a number, or false for none")
_SECONDS: _Check = (lambda v: _number(v) and 0 <= v <= 900, "seconds from 0 to 900")
_OF_METRIC: Mapping[str, _Check] = {
    "warning": _LIMIT,
    "critical": _LIMIT,
    "leave_warning": _NUMBER,
    "leave_critical": _NUMBER,
    "enter_seconds": _SECONDS,
    "leave_seconds": _SECONDS,
    "bad": (lambda v: v in ("high", "low"), "high or low"),
    "unit": (lambda v: isinstance(v, str) and len(v) <= 20, "a text of up to 20 characters"),
}
_OF_DEVICES: Mapping[str, _Check] = {
    "interval_seconds": (lambda v: _number(v) and 0 < v <= 86_400, "seconds above 0, to 86400"),
}


def load(path: str) -> Thresholds:
    """The catalogue's thresholds with the file's over them; an empty path: the catalogue's.

    :raises InvalidSettings: every mistake in the file at once.
    """
    if not path:
        return Thresholds()
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InvalidSettings([f"it cannot be read: {reason}"]) from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidSettings([f"it is not TOML: {error}"]) from None
    words, mistakes = mistakes_of(table)
    thresholds = Thresholds(words)
    mistakes += [
        f"{'.'.join(place)}: {wrong}"
        for place in words
        if place[-1] and not any(mistake.startswith(".".join(place)) for mistake in mistakes)
        for wrong in what_is_wrong(_as_meant(thresholds, place))
    ]
    if mistakes:
        raise InvalidSettings(mistakes)
    return thresholds


def _as_meant(thresholds: Thresholds, place: tuple[str, ...]) -> Limits | None:
    """The limits where the file's words apply, to see whether they make sense together."""
    kind, name, metric_type = place if len(place) == 3 else (place[0], "", place[1])
    class_, device = (name, "") if kind == "classes" else ("", name)
    return thresholds.limits_of(metric_type, class_, device)


def mistakes_of(table: Mapping[str, Any]) -> tuple[dict[_Place, dict[str, Any]], list[str]]:
    """What the file says, by place, and what is wrong with it."""
    words: dict[_Place, dict[str, Any]] = {}
    mistakes: list[str] = []
    for kind, inside in table.items():
        if kind not in ("metrics", "classes", "devices") or not isinstance(inside, Mapping):
            mistakes.append(f"{shown(kind)}: expected tables metrics, classes or devices")
            continue
        for name, said in inside.items():
            place = (kind, name)
            if wrong := _not_a_table(place, said):
                mistakes.append(wrong)
            elif kind == "metrics":
                words[place] = _checked(place, said, _OF_METRIC, mistakes)
            else:
                _of_devices(place, said, words, mistakes)
    return words, mistakes


def _of_devices(
    place: _Place,
    said: Mapping[str, Any],
    words: dict[_Place, dict[str, Any]],
    mistakes: list[str],
) -> None:
    plain = {key: value for key, value in said.items() if not isinstance(value, Mapping)}
    words[*place, ""] = _checked(place, plain, _OF_DEVICES, mistakes)
    for metric_type, of_metric in said.items():
        if isinstance(of_metric, Mapping):
            inner = (*place, metric_type)
            if wrong := _not_a_table(inner, of_metric):
                mistakes.append(wrong)
            else:
                words[inner] = _checked(inner, of_metric, _OF_METRIC, mistakes)


def _not_a_table(place: _Place, said: object) -> str:
    where = ".".join(place)
    if NAME_PATTERN.fullmatch(place[-1]) is None:
        return f"{shown(where)}: given {shown(place[-1])}, expected {NAME_EXPECTED}"
    if not isinstance(said, Mapping):
        return f"{where}: given {shown(said)}, expected a table"
    return ""


def _checked(
    place: _Place, said: Mapping[str, Any], keys: Mapping[str, _Check], mistakes: list[str]
) -> dict[str, Any]:
    good = {}
    for key, value in said.items():
        where = f"{'.'.join(place)}.{key}" if key.isprintable() else ".".join(place)
        if key not in keys:
            mistakes.append(f"{where}: there is no such key, expected {', '.join(keys)}")
        elif not keys[key][0](value):
            mistakes.append(f"{where}: given {shown(value)}, expected {keys[key][1]}")
        else:
            good[key] = value
    return good


def what_is_wrong(limits: Limits | None) -> list[str]:
    """Whether the limits of a metric make sense together."""
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
