"""A device's health and score are published when they change and now and then, as readings."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client import CollectorRegistry

from reader.health import verdict
from reader.health.evidence import Evidence, Rules, Unit
from reader.health.limits import Thresholds
from reader.lookups.known.watch_findings import WatchFindings
from reader.watching import fleet_gauges
from reader.watching.announcements import AGAIN_NS, Verdicts, messages
from reader.watching.fleet_gauges import FleetGauges
from spindle.models import DeviceMetric, decode, parse
from spindle.store.base import EventRow, Latest
from spindle.timestamps import NS

NOW = 1_800_000_000 * NS
RULES = Rules(Thresholds(), stale_ns=300 * NS, event_ns=900 * NS)
DISK = ("DiskUnit", "DiskTemp")


def judged(*temperatures: float, events: tuple[EventRow, ...] = ()) -> list[Unit]:
    """Disks of these temperatures."""
    readings = [
        Latest(*DISK, f"disk-{n}", "array-1", NOW, value) for n, value in enumerate(temperatures)
    ]
    return verdict.judge(Evidence(readings, events=events), RULES, NOW)


def names(units: list[Unit]) -> list[str]:
    return [unit.device_id for unit in units]


def test_a_verdict_is_due_at_first_when_it_changes_and_every_quarter_of_an_hour() -> None:
    verdicts, well = Verdicts(), judged(40, 41)
    assert names(verdicts.due(well, NOW)) == ["disk-0", "disk-1"]
    verdicts.published(well, well, NOW)
    assert verdicts.due(well, NOW + NS) == []
    ill = judged(40, 66)
    assert names(verdicts.due(ill, NOW + NS)) == ["disk-1"]
    verdicts.published(ill, ill[1:], NOW + NS)
    a_little = [ill[0], replace(ill[1], score=ill[1].score - 4)]
    assert verdicts.due(a_little, NOW + 2 * NS) == []
    much = [ill[0], replace(ill[1], score=ill[1].score - 5)]
    assert names(verdicts.due(much, NOW + 2 * NS)) == ["disk-1"]
    assert "disk-1" not in names(verdicts.due(ill, NOW + AGAIN_NS))
    assert names(verdicts.due(ill, NOW + AGAIN_NS + NS)) == ["disk-0", "disk-1"]


def test_a_fleet_that_was_judged_at_once_is_due_again_in_parts() -> None:
    verdicts, fleet = Verdicts(), judged(*[40.0] * 500)
    verdicts.published(fleet, fleet, NOW)
    for part in range(1, 10):
        due = verdicts.due(fleet, NOW + part * AGAIN_NS // 10)
        assert 10 * part <= len(due) / 5 + 10
        assert len(due) / 5 <= 10 * part + 10


def test_what_could_not_be_published_is_due_again_and_a_device_that_is_gone_is_forgotten() -> None:
    verdicts, fleet = Verdicts(), judged(40, 41)
    assert len(verdicts.due(fleet, NOW)) == len(verdicts.due(fleet, NOW)) == 2
    verdicts.published(fleet, fleet, NOW)
    verdicts.published(fleet[:1], [], NOW)
    assert names(verdicts.due(fleet, NOW)) == ["disk-1"]


def test_the_messages_are_readings_of_the_wire_contract() -> None:
    fleet = judged(*[40.0] * 299, 66)
    many = list(messages(fleet, NOW))
    assert [message.subject for message in many] == ["health.verdicts"] * 2
    assert len({message.id for message in many}) == 2
    said = [parse(DeviceMetric, one, NOW) for each in many for one in decode(each.payload)]
    assert len(said) == 600
    found = {each.metric_type: each.value for each in said if each.device_id == fleet[-1].device_id}
    assert found == {"Health": 0, "Score": 100}
    (ill,) = (each for each in fleet if each.state == "critical")
    found = {each.metric_type: each.value for each in said if each.device_id == ill.device_id}
    assert found == {"Health": 3, "Score": ill.score}


def scraped(units: list[Unit]) -> dict[str, dict[tuple[str, ...], float]]:
    """Metric -> label values -> value."""
    registry = CollectorRegistry()
    gauges = FleetGauges(registry, WatchFindings(full_at={units[0].key: 4e9}), {})
    gauges.show(units)
    return {
        family.name: {tuple(each.labels.values()): each.value for each in family.samples}
        for family in registry.collect()
    }


def test_each_device_has_its_health_score_and_reasons_by_few_names() -> None:
    own = ("DiskUnit", "disk-1", "array-1", "false")
    event = EventRow(NOW, "e", "DiskUnit", "SmokeSeen", "disk-1", "array-1", 9, "smoke")
    found = scraped(judged(40, 66, events=(event,)))
    assert found["reader_device_health"][*own, ""] == 3
    assert found["reader_device_score"][own] < 31
    assert found["reader_device_reason"] == {
        (*own, "DiskTemp", "reading", "critical"): 1,
        (*own, "Other", "event", "critical"): 2,
    }
    assert list(found["reader_device_days_until_full"]) == [("DiskUnit", "disk-0", *own[2:])]
    assert found["reader_array_health"] == {("array-1", "false"): 3}
    assert found["reader_health_devices"]["critical", "false"] == 1
    assert found["reader_health_devices"]["critical", "true"] == 0


def test_of_too_many_devices_the_worst_have_metrics() -> None:
    fleet = judged(*[40.0] * 2100, 66)
    found = scraped(fleet)
    assert len(found["reader_device_health"]) == fleet_gauges.MOST_DEVICES
    assert found["reader_device_metrics_left_out"][()] == 101
    assert max(found["reader_device_health"].values()) == 3
