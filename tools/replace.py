"""``./run.sh replace "<SEARCH>" "<REPLACE>" [EXT]``: literal replacement in the checkout's files.

Both strings are taken as they are. Left alone: ``.git``, virtual environments, ``.spindle``,
caches, binary files (with a zero byte), symbolic links. Line endings and file modes stay. The
standard library only, so that it runs before anything is installed.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

USAGE = 'usage: ./run.sh replace "<SEARCH>" "<REPLACE>" [EXT] [--dry-run]'
HELP = f"""{USAGE}

Both strings are taken as they are. Files: those of the checkout, or only those
named *.EXT.
--dry-run tells what would be replaced, and changes nothing.
Example: ./run.sh replace "old name" "new name" md --dry-run
"""
_LEFT_ALONE = {".git", ".venv", ".spindle", "__pycache__", "node_modules"}


def files(root: Path, extension: str = "") -> Iterator[Path]:
    """Every regular file that may be touched, in a stable order.

    :param extension: ``py``, ``.py`` or ``*.py``; empty for all.
    """
    suffix = "." + extension.lstrip("*").lstrip(".") if extension.strip("*.") else ""
    for folder, names, found in os.walk(root):
        names[:] = sorted(name for name in names if not _is_left_alone(Path(folder) / name))
        for name in sorted(found):
            path = Path(folder) / name
            if name.endswith(suffix) and path.is_file() and not path.is_symlink():
                yield path


def _is_left_alone(folder: Path) -> bool:
    name = folder.name
    return (
        name in _LEFT_ALONE
        or (name.startswith(".") and name.endswith("_cache"))
        or folder.is_symlink()
        or (folder / "pyvenv.cfg").exists()
    )


def replace(
    root: Path, search: str, replacement: str, extension: str = "", *, dry_run: bool = False
) -> dict[Path, int]:
    """Replace in every file.

    :param dry_run: only count.
    :return: how often, by file relative to ``root``; files without a match are not in it.
    :raises OSError: if a file cannot be read or written; the files before it are changed.
    """
    old, new = os.fsencode(search), os.fsencode(replacement)
    changed = {}
    for path in files(root, extension):
        content = path.read_bytes()
        count = content.count(old)
        if count and b"\0" not in content:
            if not dry_run:
                _write(path, content.replace(old, new))
            changed[path.relative_to(root)] = count
    return changed


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all: a file beside it takes its place."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        shutil.copystat(path, name)
        os.utime(name)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def main(arguments: list[str], root: Path) -> int:
    """Exit code: 0 done, 1 a file could not be changed, 2 wrong usage."""
    if "--help" in arguments:
        print(HELP, end="")
        return 0
    words = [word for word in arguments if word != "--dry-run"]
    dry_run = len(words) < len(arguments)
    if len(words) not in (2, 3):
        print(USAGE, file=sys.stderr)
        return 2
    search, replacement, *extension = words
    if not search:
        print(f"replace: SEARCH is empty; give the text to look for\n{USAGE}", file=sys.stderr)
        return 2
    try:
        changed = replace(root, search, replacement, *extension, dry_run=dry_run)
    except OSError as error:
        print(f"replace: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    for path, count in changed.items():
        print(f"{path}: {count}")
    files_word = "file" if len(changed) == 1 else "files"
    done = "would replace" if dry_run else "replaced"
    print(f"{done} {sum(changed.values())} in {len(changed)} {files_word}")
    return 0


if __name__ == "__main__":
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # local/bootstrap.py blocked it
        sys.exit(main(sys.argv[1:], Path.cwd()))
    except KeyboardInterrupt:
        os._exit(130)
