"""``./run.sh logs``: several files as one stream, through growth and rotation."""

from __future__ import annotations

from pathlib import Path

from local.processes.logs import Tail, for_people, merged, parse, stream

DAEMON = '{"time":"2026-01-02T03:04:05.5Z","level":"info","service":"daemon","message":"one"}'
WRITER = '{"time":"2026-01-02T03:04:05.25Z","level":"error","service":"writer","message":"[zero]"}'


def test_a_json_line_is_shown_as_time_level_service_message() -> None:
    line = parse("writer", WRITER, 0.0)
    assert (line.level, line.message, line.raw) == ("error", "[zero]", WRITER)
    shown = for_people(line)
    assert "writer" in shown
    assert "\\[zero]" in shown  # rich would take it for markup


def test_a_line_of_nats_server_is_understood() -> None:
    line = parse("nats", "[123] 2026/01/02 03:04:05.250000 [WRN] slow", 0.0)
    assert (line.level, line.message) == ("warning", "slow")
    assert line.moment > 0


def test_any_other_line_keeps_its_text_and_the_time_of_the_one_before() -> None:
    """Such as a traceback, or JSON that is no log line."""
    for raw in ("Traceback (most recent call last):", "{}", '{"time": 3}', "{broken"):
        assert parse("writer", raw, 7.0).message == raw
        assert parse("writer", raw, 7.0).moment == 7.0


def test_lines_of_all_services_come_in_the_order_of_their_times(tmp_path: Path) -> None:
    """And -n counts the lines of all together."""
    files = {"daemon": tmp_path / "d.log", "writer": tmp_path / "w.log"}
    files["daemon"].write_text(DAEMON + "\n")
    files["writer"].write_text(WRITER + "\n")
    assert [line.service for line in stream(files, 50, follow=False)] == ["writer", "daemon"]
    assert [line.service for line in stream(files, 1, follow=False)] == ["daemon"]
    assert list(stream(files, 0, follow=False)) == []


def test_the_last_lines_reach_back_into_rotated_files(tmp_path: Path) -> None:
    file = tmp_path / "x.log"
    file.with_name("x.log.2").write_text("1\n2\n")
    file.with_name("x.log.1").write_text("3\n4\n")
    file.write_text("5\n")
    assert [line.raw for line in Tail("x", file).last(4)] == ["2", "3", "4", "5"]


def test_a_file_is_followed_through_rotation_and_cutting(tmp_path: Path) -> None:
    """No line is lost and none shown twice; half a line waits for its end."""
    file = tmp_path / "x.log"
    file.write_text("old\n")
    tail = Tail("x", file)
    tail.last(0)
    with file.open("a") as writing:
        writing.write("a\nhal")
        writing.flush()
        assert [line.raw for line in tail.more()] == ["a"]
        writing.write("f\nlast of the old file\n")
    file.rename(tmp_path / "x.log.1")
    file.write_text("first of the new\n")
    assert [line.raw for line in tail.more()] == [
        "half",
        "last of the old file",
        "first of the new",
    ]
    file.write_text("")
    assert tail.more() == []
    file.write_text("again\n")
    assert [line.raw for line in tail.more()] == ["again"]


def test_a_file_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    tail = Tail("x", tmp_path / "x.log")
    assert tail.last(5) == []
    assert tail.more() == []
    (tmp_path / "x.log").write_text("here\n")
    assert [line.raw for line in merged([tail], Tail.more)] == ["here"]
