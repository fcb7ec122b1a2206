"""Copies of what containers keep, and files that their commands read and write."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.docker import backup as container_backup
from local.docker import containers
from local.docker.containers import Containers
from local.docker.settings import shown
from tests.docker_program import Docker, run


@pytest.fixture
def volumes(docker: Docker, tmp_path: Path) -> Path:
    """What the containers keep, as a folder."""
    root = tmp_path / "volumes"
    docker.does(VOLUMES=str(root))
    for name, text in (
        ("var/lib/influxdb2/influxd.bolt", "who may what"),
        ("var/lib/influxdb2/engine/data/1.tsm", "readings"),
        ("etc/influxdb2/influx-configs", "token"),
        ("app/.spindle/spindle.db", "rows"),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({}, "var/lib/influxdb2/engine/data/1.tsm"),
        ({"STORE_URL": "sqlite:///.spindle/spindle.db"}, "app/.spindle/spindle.db"),
        ({"STORE_URL": "sqlite:////app/.spindle/spindle.db?x"}, "app/.spindle/spindle.db"),
    ],
)
def test_a_copy_of_the_store_is_put_back_and_what_was_there_is_kept(
    volumes: Path,
    tmp_path: Path,
    settings: dict[str, str],
    kept: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy, file = tmp_path / "copy.tar.gz", volumes / kept
    before = file.read_text()
    made = Containers(settings)
    container_backup.backup(made, settings, copy)
    assert copy.stat().st_mode & 0o777 == 0o600
    file.write_text("later")
    (file.parent / "later").write_text("later")
    container_backup.restore(made, settings, copy)
    assert file.read_text() == before
    assert not (file.parent / "later").exists()
    (aside,) = tmp_path.glob("copy.tar.gz.before-*")
    assert str(aside) in capsys.readouterr().out
    container_backup.restore(made, settings, aside)
    assert file.read_text() == "later"


def test_copies_are_refused_in_a_sentence_where_they_would_be_wrong(
    docker: Docker,
    volumes: Path,
    root: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    copy = tmp_path / "copy.tar.gz"
    (tmp_path / "other").write_text("no archive")
    for words, settings, sentence in (
        (("backup", str(copy)), {"COMPOSE_RUNS": "c0ffee"}, "needs them stopped"),
        (("restore", str(copy)), {"COMPOSE_RUNS": "c0ffee"}, "needs them stopped"),
        (("backup",), {}, "Missing argument"),
        (("backup", str(tmp_path / "other")), {}, "exists; name a file that does not"),
        (("backup", str(tmp_path / "no" / "copy")), {}, "there is no folder"),
        (("restore", str(copy)), {}, "there is no file"),
        (("restore", str(tmp_path / "other")), {}, "is no copy that ./run.sh backup made"),
        (("backup", str(copy)), {"STORE_URL": "influxdb://db:8086/x"}, "names another"),
        (("backup", str(copy)), {"STORE_URL": "sqlite:////data/x.db"}, "names another"),
    ):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            assert run(*words) == 2
        assert sentence in capfd.readouterr().err
        assert not copy.exists()


def test_a_copy_of_nothing_is_none(
    volumes: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (volumes / "var/lib/influxdb2/influxd.bolt").unlink()
    with pytest.raises(containers.Failed):
        container_backup.backup(Containers({}), {}, tmp_path / "copy")
    assert "there is no var/lib/influxdb2/influxd.bolt in" in capfd.readouterr().err
    assert not list(tmp_path.glob("copy*"))


def test_a_copy_is_named_from_where_the_user_is(
    volumes: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINDLE_CALLED_FROM", str(tmp_path))
    assert run("backup", "today.tar.gz") == 0
    assert (tmp_path / "today.tar.gz").is_file()


def test_a_command_is_shown_the_files_that_it_is_told_of(tmp_path: Path) -> None:
    """In the folder it is called from, and wherever else one lies; a folder is never made."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    words = ["from=2026-01-01", "-o", "out.jsonl", "device_id=a/b", "-"]
    options, told = shown(here, words)
    assert told == words
    assert options[2:4] == ["--volume", f"{here}:/past"]
    assert options.count("--volume") == 1

    words = [f"{there}/a.jsonl", "../there/b.jsonl", f"--output={there}/c", "/nowhere/d", "e"]
    options, told = shown(here, words)
    assert told == ["/past-1/a.jsonl", "/past-1/b.jsonl", "--output=/past-1/c", "/nowhere/d", "e"]
    assert options[4:6] == ["--volume", f"{there}:/past-1"]
    assert options.count("--volume") == 2
    assert options[1] == f"{there.stat().st_uid}:{there.stat().st_gid}"


def test_export_into_a_folder_elsewhere_is_written_there(
    docker: Docker, root: Path, tmp_path: Path
) -> None:
    assert Containers({}).beside("reader", "reader.export", root, ["-o", f"{tmp_path}/x"]) == 0
    assert docker.calls[-1].endswith(
        f"--volume {root}:/past --volume {tmp_path}:/past-1 --workdir /past "
        "--env PYTHONPATH=/app --entrypoint python reader -m reader.export -o /past-1/x"
    )
