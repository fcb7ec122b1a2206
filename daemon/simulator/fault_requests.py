"""What a person asks for: which fault, on which device, when and for how long. Pure.

One fault is ``FAULT:DEVICE_ID[:after=DURATION][:for=DURATION]``; a duration is a number of
seconds, or one with a unit: ``90``, ``90s``, ``5m``, ``2h``, ``1d``.

On ``simulation.inject``, ``{"fault": "overheat", "device_id": "array1-disk3", "for": "5m"}`` begins
one (``for`` may be missing) beside whatever else the device has,
``{"fault": "stop", "device_id": ...}`` ends all that it has, ``"only": "overheat"`` that one.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

import orjson

from daemon.messages import ARRAY, DISK
from daemon.simulator.fault import Fault
from daemon.simulator.faults import (
    CapacityLeak,
    DriveFailure,
    FailSlow,
    Flapping,
    Intrusion,
    IopsCollapse,
    LatencySpikes,
    Overheat,
    Silent,
    SlowDisk,
    StuckSensor,
)
from spindle import durations
from spindle.errors import InvalidInput
from spindle.text import shown

SYNTAX = "FAULT:DEVICE_ID, with :after=DURATION and :for=DURATION if wanted"
STOP = "stop"
KEYS = ("fault", "device_id", "for", "only")
_EXPECTED = (
    'expected a JSON object such as {"fault":"overheat","device_id":"array1-disk3","for":"5m"}'
)
_DEVICE = re.compile("array([1-9][0-9]{0,6})(?:-disk([1-9][0-9]{0,6}))?", re.ASCII)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind:
    """A fault as a person may ask for it.

    :ivar make: draws its severity.
    :ivar seconds: how long it lasts where nobody says.
    """

    make: Callable[[Random], Fault]
    seconds: float


def _overheat(random: Random) -> Fault:
    return Overheat(device_class=None, peak=random.uniform(65, 70), rise=5, first=5)


def _slow_disk(random: Random) -> Fault:
    return SlowDisk(times=random.uniform(3, 6), extra=random.uniform(15, 40))


#: By name, in the order in which they are listed.
KINDS: Mapping[str, Kind] = {
    "overheat": Kind(_overheat, 300),
    "slow_disk": Kind(_slow_disk, 600),
    "latency_spikes": Kind(
        lambda random: LatencySpikes(
            height=random.uniform(30, 100), share=random.uniform(0.2, 0.4)
        ),
        600,
    ),
    "iops_collapse": Kind(lambda random: IopsCollapse(left=random.uniform(0.02, 0.1)), 600),
    "capacity_leak": Kind(lambda random: CapacityLeak(per_minute=random.uniform(0.2, 2)), 1800),
    "stuck_sensor": Kind(lambda _: StuckSensor(), 1800),
    "flapping": Kind(lambda _: Flapping(), 600),
    "silent": Kind(lambda _: Silent(), 900),
    "drive_failure": Kind(lambda random: DriveFailure(slowest=random.uniform(80, 200)), 300),
    "fail_slow": Kind(lambda random: FailSlow(times=random.uniform(1.5, 3)), 3 * 3600),
    "intrusion": Kind(lambda _: Intrusion(), 180),
}


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """One fault, as asked for.

    :ivar fault: one of ``KINDS``.
    :ivar after: seconds from the simulator's first tick until it begins.
    :ivar duration: seconds that it lasts.
    """

    fault: str
    device_id: str
    after: float
    duration: float

    @property
    def ends(self) -> float:
        """Seconds from the simulator's first tick."""
        return self.after + self.duration


class _Mistakes(list[str]):
    def tried(self, check: Callable[..., T], *given: object) -> T | None:
        """The check's result; None where it failed, whose mistake is kept."""
        try:
            return check(*given)
        except InvalidInput as error:
            self.extend(error.mistakes or [str(error)])
            return None


def parse_specs(text: str, arrays: int | None, disks: int | None) -> list[FaultSpec]:
    """Faults separated by commas.

    :param arrays: in the fleet; None where it is not known, and then any device will do.
    :raises InvalidInput: with every mistake in them.
    """
    mistakes, specs = _Mistakes(), []
    for part in filter(None, (part.strip() for part in text.split(","))):
        spec = mistakes.tried(_spec, part, arrays, disks)
        if spec is not None:
            specs.append(spec)
    mistakes += _overlaps(specs)
    if mistakes:
        raise InvalidInput("; ".join(mistakes), mistakes)
    return specs


def _spec(text: str, arrays: int | None, disks: int | None) -> FaultSpec:
    fault, *words = text.split(":")
    if not words:
        raise InvalidInput(f"in {shown(text)}: expected {SYNTAX}")
    device_id, *options = words
    mistakes = _Mistakes()
    kind = mistakes.tried(fault_of, fault)
    where = mistakes.tried(place, device_id, arrays, disks)
    if kind and where:
        source_device = DISK if where[1] else ARRAY
        mistakes.tried(befalls, KINDS[kind].make(Random(0)), source_device, device_id)
    times: dict[str, float | None] = {"after": 0.0, "for": KINDS[kind].seconds if kind else None}
    for option in options:
        key, _, value = option.partition("=")
        if key in times:
            least = 0.0 if key == "after" else durations.SHORTEST
            times[key] = mistakes.tried(durations.parse, value, least)
        else:
            mistakes.append(f"given {shown(option)}, expected after=DURATION or for=DURATION")
    if mistakes:
        raise InvalidInput("; ".join(mistakes), [f"in {shown(text)}: {each}" for each in mistakes])
    return FaultSpec(fault, device_id, times["after"] or 0.0, times["for"] or 0.0)


def _overlaps(specs: Sequence[FaultSpec]) -> list[str]:
    ordered = sorted(specs, key=lambda spec: (spec.device_id, spec.fault, spec.after))
    return [
        f"{second.device_id} would have {second.fault} twice at once: "
        "expected the next after the end of the one before, or another fault"
        for first, second in itertools.pairwise(ordered)
        if (first.device_id, first.fault) == (second.device_id, second.fault)
        and second.after < first.ends
    ]


def fault_of(name: object) -> str:
    """The name of a fault that there is.

    :raises InvalidInput: with those that there are.
    """
    if isinstance(name, str) and name in KINDS:
        return name
    near = difflib.get_close_matches(str(name), list(KINDS), n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise InvalidInput(
        f"no fault is called {shown(name)}: expected one of {', '.join(KINDS)}{hint}"
    )


def place(device_id: object, arrays: int | None, disks: int | None) -> tuple[int, int]:
    """Number of the array, and of the disk in it; disk 0 is the array itself.

    :param arrays: in the fleet; None where it is not known, and then any device will do.
    :raises InvalidInput: no such device is simulated.
    """
    found = _DEVICE.fullmatch(device_id) if isinstance(device_id, str) else None
    if found is not None:
        array, disk = int(found[1]), int(found[2] or 0)
        if (arrays is None or array <= arrays) and (disks is None or disk <= disks):
            return array, disk
    raise InvalidInput(
        f"no simulated device is called {shown(device_id)} (real ones cannot be given a fault): "
        f"expected array1 to array{arrays or 'N'}, or array1-disk1 to "
        f"array{arrays or 'N'}-disk{disks or 'N'}"
    )


def befalls(fault: Fault, source_device: str, device_id: str) -> None:
    """Check that this class of device can have the fault.

    :raises InvalidInput: it cannot.
    """
    if fault.device_class not in (None, source_device):
        raise InvalidInput(
            f"{fault.name} befalls a {fault.device_class} only, and {device_id} is a "
            f"{source_device}"
        )


def parse_request(payload: bytes) -> dict[str, Any]:
    """A request's JSON object, with none but ``KEYS``; their values are not looked at.

    :raises InvalidInput: it is no JSON object, or has other keys.
    """
    try:
        wanted = orjson.loads(payload)
    except orjson.JSONDecodeError:
        wanted = None
    if not isinstance(wanted, dict):
        raise InvalidInput(f"the request is no JSON object: {_EXPECTED}")
    if unknown := [shown(key) for key in wanted if key not in KEYS]:
        raise InvalidInput(f"given {', '.join(unknown)}, expected only {', '.join(KEYS)}")
    if "only" in wanted and wanted.get("fault") != STOP:
        raise InvalidInput(f"only=... names what a {STOP} ends; a fault has none")
    return wanted
