"""What drives say of themselves: their health data and what they are, through smartctl."""

from __future__ import annotations

import logging
import shlex
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson
from pydantic import Field, field_validator

from daemon.drive_ids import valid_name
from daemon.drives import Drives
from daemon.messages import DISK, Message, device_metrics, facts_message, metric_messages
from daemon.smart import selftests
from daemon.smart.fields import decoded
from daemon.smart.reading import Reading, read
from daemon.smart.smartctl import Device, Smartctl
from daemon.source import DriveSettings, Source
from spindle.models import DeviceFacts, DeviceMetric

log = logging.getLogger("daemon.smart")

SMARTCTL = "smartctl"


class SmartSettings(DriveSettings):
    """How drives are read through smartctl."""

    smart_interval_seconds: float = Field(
        900.0,
        ge=1,
        le=86_400,
        description="Seconds from one SMART reading of every drive to the next.",
    )
    smart_command: str = Field(
        SMARTCTL,
        min_length=1,
        description="The smartctl to run, with what goes before it, such as sudo -n smartctl.",
    )
    smart_selftests: str = Field(
        "",
        description="Self-tests to start by themselves, such as short=7d,long=60d: every drive at "
        "a time of its own within so many days. Empty for none.",
    )
    smart_json_dir: str = Field(
        "",
        description="Folder with saved outputs of smartctl --json -x to read instead, *.json, one "
        "per drive.",
    )

    @field_validator("smart_json_dir")
    @classmethod
    def _is_a_folder(cls, value: str) -> str:
        if value and not Path(value).is_dir():
            raise ValueError("expected the path of a folder that exists")
        return value

    @field_validator("smart_selftests")
    @classmethod
    def _is_a_schedule(cls, value: str) -> str:
        selftests.schedule(value)
        return value

    @field_validator("smart_command")
    @classmethod
    def _is_a_command(cls, value: str) -> str:
        try:
            words = shlex.split(value)
        except ValueError:
            words = []
        if not words:
            raise ValueError("expected a command, such as smartctl or sudo -n smartctl")
        return value


class SmartSource(Source):
    """Per drive the metrics of ``daemon.smart.table``, its facts, and whether it sleeps.

    Drives are ``DiskUnit`` on an ``arrayId`` that is the host's name, under the same ``deviceId``
    as the source ``host`` gives them.
    """

    name = "smart"
    about = "what real drives say of their health, through smartctl"
    settings_type = SmartSettings
    deadline_seconds = 600.0  # for hundreds of drives, a few at once

    def __init__(
        self,
        settings: SmartSettings,
        drives: Drives | None = None,
        hostname: str | None = None,
        smartctl: Smartctl | None = None,
    ) -> None:
        super().__init__(settings)
        self.interval_seconds = settings.smart_interval_seconds
        # Who sets it up wants to know in /healthz that it does not work; else many machines have no
        # smartctl, or no leave to open drives, and are well.
        self._set_up = settings.smart_command != SMARTCTL
        self._folder = settings.smart_json_dir
        self._serials = settings.smart_serials
        self._smartctl = smartctl or Smartctl(settings.smart_command)
        self._drives = drives or Drives()
        self._host = valid_name(hostname or socket.gethostname())
        self._ids: dict[str, str] = {}  # label -> deviceId when it was last read
        if not self._folder:
            self._drives.wait()
        self._tests = selftests.schedule(settings.smart_selftests)
        self._tested_ns = 0  # until when it was seen which self-tests are due
        self._told: dict[str, str] = {}  # label -> trouble, as logged

    def read(self, now_ns: int) -> list[Message]:
        """What every drive says now."""
        readings = self._saved() if self._folder else self._asked()
        named = list(self._named(readings))
        self._tell({label: each.trouble for label, each in readings.items() if each.trouble})
        metrics, facts = list[DeviceMetric](), list[Message]()
        for device_id, reading in named:
            unit = {
                "timestamp": now_ns,
                "source_device": DISK,
                "device_id": device_id,
                "array_id": self._host,
            }
            values = {**reading.metrics, "Asleep": float(bool(reading.asleep))}
            if reading.metrics:
                values["SmartGaps"] = float(len(reading.gaps))
                facts.append(facts_message(self._facts(unit, reading)))
            metrics += device_metrics(unit, values)
        return metric_messages(metrics, self.envelope_size) + facts

    def _facts(self, unit: Mapping[str, Any], reading: Reading) -> DeviceFacts:
        said = dict(reading.facts)
        if not self._serials:
            said.pop("serial", None)
        return DeviceFacts.model_validate({**unit, **said, "host": self._host})

    def _saved(self) -> dict[str, Reading]:
        """The saved outputs, by file name without its ending."""
        readings = {}
        for path in sorted(Path(self._folder).glob("*.json")):
            try:
                readings[path.stem] = read(decoded(path.read_bytes()))
            except (OSError, orjson.JSONDecodeError) as error:
                readings[path.stem] = Reading(trouble=f"{path.name} cannot be read: {error}")
        return readings

    def _asked(self) -> dict[str, Reading]:
        """The output of every drive that smartctl finds, by its name on this machine."""
        try:
            devices = self._smartctl.scan()
        except FileNotFoundError:
            if self._set_up:
                raise
            return {
                SMARTCTL: Reading(trouble="it is not installed; drives are not asked for SMART")
            }
        if not devices and "" not in self._told:
            log.info("smartctl finds no drive here that has SMART")
        outputs = self._smartctl.read(devices)
        readings = {
            _label(device): Reading(trouble=str(said)) if isinstance(said, OSError) else read(said)
            for device, said in outputs.items()
        }
        if self._tests:
            self._start_tests(outputs, time.time_ns())
        failed = [each.trouble for each in readings.values() if each.trouble]
        self.troubles = dict(self._smartctl.stuck)
        if self._set_up and devices and len(failed) == len(devices):
            self.troubles = {**self.troubles, "none of the drives": f"can be read: {failed[0]}"}
        return readings

    def _start_tests(self, outputs: Mapping[Device, Any], now_ns: int) -> None:
        """Those that came due since the last reading; a drive that sleeps is left asleep."""
        before, self._tested_ns = self._tested_ns or now_ns, now_ns
        for device, said in outputs.items():
            if isinstance(said, OSError) or read(said).asleep:
                continue
            own = self.own_id(device, read(said))
            kind = selftests.due(self._tests, own, before, now_ns)
            if kind is None or selftests.running(said) is not None:
                continue
            try:
                selftests.start(self._smartctl, device, kind)
                log.info("%s: a %s self-test has begun", own, kind)
            except OSError as error:
                log.warning("%s: %s", own, error)

    def own_id(self, device: Device, reading: Reading | None) -> str:
        """What a drive that smartctl finds is called, as far as it alone tells."""
        label = _label(device)
        said = reading.device_id if reading is not None else None
        return self._in_sysfs(label) or said or self._by_place(label)

    def _named(self, readings: Mapping[str, Reading]) -> Iterable[tuple[str, Reading]]:
        """Each drive once, with its ``deviceId``; those that say nothing are left out.

        Several that claim one name are one drive if model and serial number agree as well. Else
        somebody copied a name (or blotted it out), and each is known by where it was found.
        """
        claims: dict[str, list[str]] = {}
        learnt: dict[str, str] = {}
        for label, reading in readings.items():
            if reading.metrics or reading.asleep:
                own = (None if self._folder else self._in_sysfs(label)) or reading.device_id
                if reading.asleep and own is None:
                    own = self._ids.get(label)
                claims.setdefault(own or self._by_place(label), []).append(label)
        for device_id, labels in claims.items():
            whose = {_who(readings[label]) for label in labels}
            same = len(whose) == 1 and all(whose.copy().pop())
            if (same or len(labels) == 1) and device_id != self._by_place(labels[0]):
                learnt |= dict.fromkeys(labels, device_id)
            for label in labels[-1:] if same else labels:
                own = device_id if same or len(labels) == 1 else self._by_place(label)
                self._ids[label] = own
                yield own, readings[label]
        if not self._folder:
            self._drives.learn(learnt)

    def _in_sysfs(self, label: str) -> str | None:
        """What the source ``host`` calls it; for an NVMe controller, its first namespace."""
        if "," in label:
            return None
        return self._drives.identify(label) or self._drives.identify(f"{label}n1")

    def _by_place(self, label: str) -> str:
        return valid_name(label if self._folder else f"{self._host}-{label}")

    def _tell(self, troubles: Mapping[str, str]) -> None:
        """Log each trouble once, and again when it changes."""
        for label, trouble in troubles.items():
            if self._told.get(label) != trouble:
                log.warning("%s: %s", label, trouble)
        self._told = {"": "", **troubles}  # no drive at all is told once too


def _label(device: Device) -> str:
    """A drive's name as the kernel has it; a RAID member's with its place."""
    name = device.path.removeprefix("/dev/")
    return f"{name}-{device.kind}" if "," in device.kind else name


def _who(reading: Reading) -> tuple[Any, Any]:
    return reading.facts.get("model"), reading.facts.get("serial")
