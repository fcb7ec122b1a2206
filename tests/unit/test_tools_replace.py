"""``./run.sh replace``: literal, and careful about what it touches."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.replace import main, replace


def test_both_strings_are_literal(tmp_path: Path) -> None:
    """What means something to sed or to a regular expression means nothing here."""
    (tmp_path / "a.txt").write_text("a.b|c*d [x] $1 & \\1 /path/\n")
    assert replace(tmp_path, "a.b|c*d [x] $1 & \\1 /path/", "\\0 & $& /x/ \\n") == {
        Path("a.txt"): 1
    }
    assert (tmp_path / "a.txt").read_text() == "\\0 & $& /x/ \\n\n"
    assert replace(tmp_path, "a?b", "no") == {}


def test_every_occurrence_is_counted_by_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The files changed and the count of replacements are printed."""
    (tmp_path / "one.txt").write_text("x x x")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "two.txt").write_text("x")
    (tmp_path / "none.txt").write_text("y")
    assert main(["x", "z"], tmp_path) == 0
    assert capsys.readouterr().out == "one.txt: 3\nsub/two.txt: 1\nreplaced 4 in 2 files\n"


@pytest.mark.parametrize("extension", ["py", ".py", "*.py"])
def test_an_extension_limits_the_files(tmp_path: Path, extension: str) -> None:
    """Only files of the extension are touched, however it is written."""
    for name in ("a.py", "a.txt", "apy"):
        (tmp_path / name).write_text("old")
    assert replace(tmp_path, "old", "new", extension) == {Path("a.py"): 1}


@pytest.mark.parametrize("folder", [".git", ".venv", ".spindle", "env", ".mypy_cache"])
def test_git_environments_data_and_caches_are_left_alone(tmp_path: Path, folder: str) -> None:
    """``env`` is a virtual environment by its pyvenv.cfg, whatever its name."""
    (tmp_path / folder).mkdir()
    (tmp_path / "env").mkdir(exist_ok=True)
    (tmp_path / "env" / "pyvenv.cfg").write_text("")
    (tmp_path / folder / "file.txt").write_text("old")
    assert replace(tmp_path, "old", "new") == {}
    assert (tmp_path / folder / "file.txt").read_text() == "old"


def test_binary_files_are_left_alone(tmp_path: Path) -> None:
    """A file with a zero byte is binary."""
    (tmp_path / "image.bin").write_bytes(b"old\0old")
    assert replace(tmp_path, "old", "new") == {}


def test_line_endings_bytes_and_modes_stay(tmp_path: Path) -> None:
    """CRLF, text that is not UTF-8, and the executable bit survive."""
    file = tmp_path / "script.sh"
    file.write_bytes(b"old\r\n\xe4\xf6\r\nno end")
    file.chmod(0o751)
    replace(tmp_path, "old", "neu")
    assert file.read_bytes() == b"neu\r\n\xe4\xf6\r\nno end"
    assert file.stat().st_mode & 0o777 == 0o751


def test_links_are_not_followed(tmp_path: Path) -> None:
    """A link out of the tree changes nothing outside, and stays a link."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file.txt").write_text("old")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "file.txt").symlink_to(outside / "file.txt")
    (tree / "folder").symlink_to(outside)
    assert replace(tree, "old", "new") == {}
    assert (outside / "file.txt").read_text() == "old"
    assert (tree / "file.txt").is_symlink()


@pytest.mark.parametrize("arguments", [[], ["a"], ["a", "b", "c", "d"], ["", "b"]])
def test_wrong_usage_exits_2_and_changes_nothing(tmp_path: Path, arguments: list[str]) -> None:
    """An empty SEARCH is wrong usage, too."""
    (tmp_path / "a").write_text("a")
    assert main(arguments, tmp_path) == 2
    assert (tmp_path / "a").read_text() == "a"


def test_a_dry_run_tells_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_text("old old")
    assert main(["old", "new", "--dry-run"], tmp_path) == 0
    assert capsys.readouterr().out == "a.txt: 2\nwould replace 2 in 1 file\n"
    assert (tmp_path / "a.txt").read_text() == "old old"


def test_its_help_has_an_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"], tmp_path) == 0
    assert "Example: ./run.sh replace" in capsys.readouterr().out
