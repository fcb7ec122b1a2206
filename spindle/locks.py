"""A lock file that one process holds; the kernel lets go of it however that process ends.

The standard library only, for installing holds one before anything is installed. That is why it is
not filelock, which would leave that one by hand; it also asks again and again while it waits, where
the kernel wakes the next one, and it cannot say who holds the lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from spindle.errors import InUse


def hold(path: Path, taken: str, instead: str) -> IO[str]:
    """Hold a lock file until the returned file is closed.

    :param taken: what the error says where another process holds it; its pid is added.
    :param instead: what the error says can be done then.
    :raises InUse: another process holds it.
    :raises OSError: the file cannot be opened or locked.
    """
    file = path.open("a+")
    try:
        _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read(20).strip() or "unknown"
        file.close()
        raise InUse(f"{taken} (pid {holder}); {instead}") from None
    except OSError:
        file.close()
        raise
    return file


@contextlib.contextmanager
def held(path: Path, taken: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock file meanwhile; where another process holds it, say so once and wait.

    :raises OSError: the file cannot be opened or locked.
    """
    with path.open("a+") as file:
        try:
            _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(f"{taken}; waiting for it")
            _lock(file, fcntl.LOCK_EX)
        yield


def _lock(file: IO[str], how: int) -> None:
    """Lock it, and leave our pid in it for those who find it held, if there is room for it."""
    fcntl.flock(file, how)
    with contextlib.suppress(OSError):  # a full disk must not keep anybody from stopping
        file.truncate(0)
        os.write(file.fileno(), f"{os.getpid()}\n".encode())
