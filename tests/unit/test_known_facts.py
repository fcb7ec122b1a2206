"""What the reader knows of devices: whose facts are whose, and what answers show of them."""

from __future__ import annotations

from typing import Any

from reader.lookups.known.facts import KnownFacts
from spindle.models import DeviceFacts
from spindle.store.base import DeviceKey

NOW = 1_780_000_000 * 10**9


def take(known: KnownFacts, device: str, array: str | None, age: int = 0, **more: Any) -> None:
    facts = DeviceFacts(
        timestamp=NOW - age, source_device="DiskUnit", device_id=device, array_id=array, **more
    )
    known.take(facts.to_json(), NOW)


def test_two_hosts_sda_have_facts_of_their_own_and_older_ones_replace_none() -> None:
    known = KnownFacts()
    take(known, "sda", "a", model="ST4000")
    take(known, "sda", "b", model="WD10")
    take(known, "sda", "a", age=5, model="ST1000")
    models = [known.find(DeviceKey("DiskUnit", "sda", array)) for array in "abc"]
    assert [facts and facts.model for facts in models] == ["ST4000", "WD10", None]


def test_facts_that_name_no_array_are_those_of_the_name() -> None:
    known = KnownFacts(hide_simulated=True)
    take(known, "d1", None, simulated=True, model="none")
    assert known.hides(DeviceKey("DiskUnit", "d1", "a"))
    assert not known.hides(DeviceKey("DiskUnit", "d2", "a"))
    take(known, "d1", None, simulated=False)
    assert not known.hides(DeviceKey("DiskUnit", "d1", "a"))


def test_every_row_about_a_device_says_its_model_and_its_parts_do_not() -> None:
    known = KnownFacts()
    take(known, "naa.5", "a", model="ST4000")
    row = {"device": "naa.5", "source_device": "DiskUnit", "array_id": "a", "reasons": [{"x": 1}]}
    assert known.marked([row]) == [{**row, "model": "ST4000"}]
    other = {**row, "array_id": "b"}
    step = {"device_id": "naa.5", "source_device": "DiskUnit", "array_id": "a", "mean": 1.0}
    assert known.marked({"devices": [other], "steps": [step]}) == {
        "devices": [other],
        "steps": [step],
    }
