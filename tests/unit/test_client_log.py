"""``client_output.log``: what a summary says, and that no event stands in it twice."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.files import critical_lines as summary
from client.files.critical_ends import end_of
from client.files.critical_lines import CriticalEvent, Key
from client.files.critical_log import CriticalLog
from client.notify.message import Change
from spindle import timestamps
from spindle.errors import InUse
from spindle.timestamps import NS

NOW = 1_800_000_000 * NS + 5 * NS
_PRINTABLE = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)


def event(number: int, source: str = "DiskUnit", message: str = "", age: int = 5) -> CriticalEvent:
    key = Key(source, "disk-7", f"e-{number}")
    return CriticalEvent(key, NOW - age * NS + number, "DriveFailure", 9, message)


def opened(path: Path, max_bytes: int = 0, backups: int = 3) -> CriticalLog:
    critical_log = CriticalLog(path, max_bytes, backups)
    critical_log.open()
    return critical_log


def crash(critical_log: CriticalLog) -> None:
    """What ``kill -9`` does: the lock goes, nothing is saved."""
    critical_log._file.unlock()


def ids(*paths: Path) -> Counter[str]:
    """How often each event stands in the files."""
    lines = itertools.chain(*(path.read_text().split("\n") for path in paths))
    return Counter(key.event_id for key, *_ in summary.read_back(lines))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "client_output.log"


def test_a_summary_says_when_how_many_whose_and_then_each_event(path: Path) -> None:
    critical_log = opened(path)
    critical_log.write([event(2, "CloudStorage", 'heads "crashed"\n'), event(1)], NOW)
    assert path.read_text() == (
        "2027-01-15T08:00:05Z 2 new critical events: CloudStorage 1, DiskUnit 1\n"
        '  2027-01-15T08:00:00.000000001Z criticality 9 DriveFailure DiskUnit disk-7 id "e-1"\n'
        "  2027-01-15T08:00:00.000000002Z criticality 9 DriveFailure CloudStorage disk-7 "
        'id "e-2" message "heads \\"crashed\\"\\n"\n'
    )


def test_no_new_event_no_summary(path: Path) -> None:
    critical_log = opened(path)
    assert critical_log.write([], NOW) == []
    assert not path.exists()


def test_an_event_seen_again_is_not_written_again(path: Path) -> None:
    critical_log = opened(path)
    critical_log.write([event(1), event(1)], NOW)
    assert critical_log.write([event(1), event(2)], NOW + NS) == [event(2)]
    assert ids(path) == {"e-1": 1, "e-2": 1}


def test_two_devices_may_use_the_same_id(path: Path) -> None:
    written = opened(path).write([event(1, "DiskUnit"), event(1, "CloudStorage")], NOW)
    assert len(written) == 2


def test_what_was_written_is_remembered_across_a_restart(path: Path) -> None:
    first = opened(path)
    first.write([event(1)], NOW)
    first.close()
    second = opened(path)
    assert second.last_poll_ns == NOW
    assert second.write([event(1), event(2)], NOW + NS) == [event(2)]


def test_a_crash_between_the_log_and_the_state_file_writes_nothing_twice(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened(path)
    first.write([event(1)], NOW)
    monkeypatch.setattr(first, "_save", lambda: None)  # the crash comes before it
    first.write([event(2)], NOW + NS)
    crash(first)
    second = opened(path)
    assert second.write([event(1), event(2), event(3)], NOW + 2 * NS) == [event(3)]
    assert ids(path) == {"e-1": 1, "e-2": 1, "e-3": 1}


@pytest.mark.parametrize("damage", ["gone", "not JSON", "[]", '{"last_poll": 7}'])
def test_the_log_alone_is_memory_enough_when_the_state_file_is_lost(
    path: Path, damage: str
) -> None:
    first = opened(path, max_bytes=150)
    for number in range(3):
        first.write([event(number)], NOW + number * NS)
    first.close()
    state = path.with_name("client_output.log.state")
    if damage == "gone":
        state.unlink()
    else:
        state.write_text(damage)
    second = opened(path, max_bytes=150)
    assert second.last_poll_ns == NOW + 2 * NS
    assert second.write([event(n) for n in range(3)], NOW + 3 * NS) == []


def test_a_line_torn_by_a_crash_is_cut_off_and_its_event_written_anew(path: Path) -> None:
    first = opened(path)
    first.write([event(1), event(2)], NOW)
    crash(first)
    path.with_name("client_output.log.state").unlink()
    path.write_bytes(path.read_bytes()[:-10])
    second = opened(path)
    assert second.write([event(1), event(2)], NOW + NS) == [event(2)]
    assert ids(path) == {"e-1": 1, "e-2": 1}
    assert path.read_text().endswith('id "e-2"\n')


def test_the_log_is_renamed_at_its_size_and_only_so_many_are_kept(path: Path) -> None:
    critical_log = opened(path, max_bytes=400, backups=2)
    for number in range(40):
        critical_log.write([event(number)], NOW)
    kept = sorted(p.name for p in path.parent.glob("client_output.log*"))
    assert kept == [
        "client_output.log",
        "client_output.log.1",
        "client_output.log.2",
        "client_output.log.lock",
        "client_output.log.state",
    ]
    assert all(p.stat().st_size <= 400 for p in (path, path.with_name(path.name + ".1")))
    assert ids(path.with_name(path.name + ".1"), path)["e-39"] == 1


def test_what_rotation_has_deleted_is_remembered_even_after_a_crash(path: Path) -> None:
    first = opened(path, max_bytes=150, backups=1)
    everything = [event(number) for number in range(20)]
    for one in everything:
        first.write([one], NOW)
    crash(first)
    second = opened(path, max_bytes=150, backups=1)
    assert second.write(everything, NOW + NS) == []


def test_a_disk_that_is_full_leaves_no_half_summary_and_the_events_come_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    critical_log = opened(path)
    critical_log.write([event(1)], NOW)
    before = path.read_text()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("client.files.append_file.os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            critical_log.write([event(2)], NOW + NS)
    assert path.read_text() == before
    assert critical_log.last_poll_ns == NOW
    assert critical_log.write([event(2)], NOW + 2 * NS) == [event(2)]


def test_a_second_client_on_the_same_log_is_refused_with_a_sentence(path: Path) -> None:
    first = opened(path)
    with pytest.raises(InUse, match=r"another client writes to .*set CLIENT_OUTPUT"):
        opened(path)
    first.close()
    opened(path)


def test_events_that_no_poll_can_bring_again_are_forgotten(path: Path) -> None:
    critical_log = opened(path)
    critical_log.write([event(1, age=7200), event(2, age=5)], NOW)
    critical_log.forget(NOW, 3600 * NS)
    assert len(critical_log.write([event(1, age=7200), event(2, age=5)], NOW)) == 1


@pytest.mark.parametrize("days", [30, -30])
def test_a_clock_that_is_wrong_for_a_while_forgets_nothing_that_comes_again(
    path: Path, days: int
) -> None:
    critical_log = opened(path)
    wrong = NOW + days * 86_400 * NS
    critical_log.write([event(1, age=60)], wrong)
    critical_log.forget(wrong, 3600 * NS)
    assert critical_log.write([event(1, age=60), event(2, age=5)], NOW) == [event(2, age=5)]
    assert critical_log.newest_ns(NOW) == event(2, age=5).time_ns


def test_a_log_edited_by_hand_does_not_stop_the_client(path: Path) -> None:
    path.write_bytes(
        b"notes of mine\n  and 7 new critical events: none\nx 3 new critical events: y\n"
        b'  yesterday criticality 9 A B c id "x"\n\xff\xfe\n'
    )
    critical_log = opened(path)
    assert critical_log.write([event(1)], NOW) == [event(1)]


@given(
    id=_PRINTABLE,
    message=st.text(st.characters(codec="utf-8"), max_size=400),
    source=_PRINTABLE,
    time_ns=st.integers(0, NOW),
)
def test_whatever_a_publisher_wrote_stays_on_its_line_and_reads_back(
    id: str, message: str, source: str, time_ns: int
) -> None:
    row = {
        "time": timestamps.format_ns(time_ns),
        "event_id": id,
        "source_device": source,
        "event_type": source,
        "criticality": 9,
        "event_message": message,
    }
    one = summary.from_row(row)
    text = summary.render([one], NOW)
    assert len(text.splitlines()) == text.count("\n") == 2
    assert text.replace("\n", "").isprintable()
    assert list(summary.read_back(text.split("\n"))) == [(one.key, time_ns, False)]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (7, "a row is not an object"),
        ({}, "a row has no time"),
        ({"time": "2027-01-15T08:00:00Z", "event_id": "x"}, "a row has no source_device"),
        (
            {
                "time": "yesterday",
                "event_id": "x",
                "source_device": "D",
                "event_type": "T",
                "criticality": 9,
            },
            "not an RFC 3339 time",
        ),
    ],
)
def test_a_row_that_is_not_of_the_contract_is_named(row: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        summary.from_row(row)


def test_a_reader_that_names_no_device_means_the_class() -> None:
    row = {
        "time": "2027-01-15T08:00:00Z",
        "event_id": "x",
        "source_device": "DiskUnit",
        "event_type": "DriveFailure",
        "criticality": 9,
    }
    assert summary.from_row(row).key == ("DiskUnit", "DiskUnit", "x", "")


def of(array: str) -> CriticalEvent:
    return CriticalEvent(Key("DiskUnit", "sda", "e-1", array), NOW, "DriveFailure", 9, "")


def test_two_hosts_sda_are_two_and_a_log_of_before_says_no_host(path: Path) -> None:
    critical_log = opened(path)
    critical_log.write([of("")], NOW)  # as an earlier version wrote it
    assert critical_log.write([of("host-a")], NOW) == []
    path.unlink()
    critical_log.close()
    path.with_name(path.name + ".state").unlink()
    critical_log = opened(path)
    assert len(critical_log.write([of("host-a"), of("host-b")], NOW)) == 2
    assert 'DiskUnit sda of host-a id "e-1"\n' in path.read_text()
    crash(critical_log)
    assert opened(path).write([of("host-a"), of("host-b")], NOW) == []


def end(number: int, age: int = 0) -> CriticalEvent:
    """That the device of ``event`` is well again."""
    key = Key("DiskUnit", "disk-7", f"end-{number}")
    said = ("HealthChanged", summary.OVER, "over: ok, was critical")
    return CriticalEvent(key, NOW - age * NS, *said, is_over=True)


def test_an_end_is_written_once_and_only_of_what_the_log_told(path: Path) -> None:
    critical_log = opened(path)
    assert critical_log.write([end(0, age=9)], NOW) == []  # of nothing
    critical_log.write([event(1, age=5)], NOW)
    assert critical_log.write([end(1)], NOW) == [end(1)]
    assert critical_log.write([end(1), end(2)], NOW + NS) == []  # it was over already
    assert path.read_text().split("\n")[2:] == [
        "2027-01-15T08:00:05Z 1 over: DiskUnit 1",
        "  2027-01-15T08:00:05Z criticality 1 HealthChanged DiskUnit disk-7 "
        'id "end-1" message "over: ok, was critical"',
        "",
    ]


def test_an_end_that_is_heard_before_its_beginning_is_written_after_it(path: Path) -> None:
    critical_log = opened(path)
    assert critical_log.write([end(1, age=2)], NOW) == []
    assert critical_log.write([event(1, age=5)], NOW) == [event(1, age=5), end(1, age=2)]
    assert "1 new critical event: DiskUnit 1; 1 over: DiskUnit 1\n" in path.read_text()


@pytest.mark.parametrize("state_lost", [False, True])
def test_what_is_not_over_yet_is_remembered_by_the_state_file_and_by_the_log(
    path: Path, *, state_lost: bool
) -> None:
    first = opened(path)
    first.write([event(1), event(2)], NOW)
    first.forget(NOW, kept_ns=0)  # it has been critical for a long time
    first.close()
    if state_lost:
        path.with_name(path.name + ".state").unlink()
    second = opened(path)
    assert second.write([end(1)], NOW) == [end(1)]
    crash(second)
    assert opened(path).write([end(1), end(2)], NOW + NS) == []


def test_a_simulated_device_says_so_on_its_line(path: Path) -> None:
    row = {
        "time": "2027-01-15T08:00:00Z", "event_id": "x", "source_device": "DiskUnit",
        "event_type": "DriveFailure", "criticality": 9, "simulated": True,
    }  # fmt: skip
    opened(path).write([summary.from_row(row)], NOW)
    assert path.read_text().endswith('id "x" simulated\n')


@pytest.mark.parametrize(
    ("old", "new", "least", "ends"),
    [
        ("critical", "ok", 8, True),
        ("unknown", "ok", 8, True),
        ("critical", "warning", 8, True),  # warnings are not written
        ("critical", "warning", 5, False),
        ("warning", "ok", 5, True),
        ("critical", "ok", 10, True),
        ("warning", "critical", 10, False),
        ("critical", "unknown", 8, False),
    ],
)
def test_an_end_is_a_change_to_what_is_not_written(
    old: str, new: str, least: int, *, ends: bool
) -> None:
    change = Change("d", "DiskUnit", "", old, new, "", False, False, "2027-01-15T08:00:00Z")
    assert (end_of(change, "1", least) is not None) is ends
