"""Where a checkout keeps what runs without Docker: the folder ``.spindle`` and what lies in it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from spindle.errors import SpindleError

#: The repository's root: services are run from here.
ROOT = Path(__file__).resolve().parent.parent

#: Of SPINDLE_HOME and NATS_PORT, where they are not set.
DEFAULT_HOME, DEFAULT_NATS_PORT = ".spindle", 4222

#: Unix socket paths end at about 104 bytes (macOS) or 108 (Linux); supervisor first binds the path
#: with a dot and its pid added.
LONGEST_SOCKET_PATH = 90

#: Every process of a checkout has this in its environment, with the checkout's ``.spindle`` folder:
#: so a process is known to be ours whatever became of the pid files.
INSTANCE_VARIABLE = "SPINDLE_INSTANCE"


class UnsafeFolder(SpindleError):
    """A folder that must be ours alone belongs to somebody else."""


class UnusableFolder(SpindleError):
    """A folder that cannot be made."""


class Home:
    """Paths under one ``.spindle`` folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs = folder / "logs"  #: one file per service, with rotated ones beside it
        self.run = run = folder / "run"  #: pid files, generated configurations, the lock
        self.nats_store = folder / "nats"  #: JetStream's files
        self.nats_config = run / "nats-server.conf"  #: made for nats-server
        self.nats_passwords = folder / "nats-users.json"  #: user -> password, made once
        #: What METRICS and EVENTS may take, where the disk is small: see ``local.nats.disk``.
        self.nats_room = run / "nats-room"
        self.kept_aside = folder / "kept-aside"  #: room on the disk, given up once that is full
        self.supervisor_config = run / "supervisord.conf"  #: made for supervisord
        self.pid_file = run / "supervisord.pid"  #: supervisord's; run.sh looks at it, too
        self.pages_file = run / "pages.json"  #: service -> its ``/healthz``, of what was started
        self.store_file = run / "store"  #: the store of what was started, without a password

    def log_file(self, service: str) -> Path:
        """Where a service's standard output and error go."""
        return self.logs / f"{service}.log"

    def socket(self) -> Path:
        """Supervisord's control socket, in a folder that only this user can enter."""
        path = self.run / "supervisor.sock"
        if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
            return path
        name = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
        return Path(base) / f"spindle-{os.getuid()}-{name}" / "supervisor.sock"

    def check(self) -> None:
        """Check that the folder can be used; changes nothing.

        :raises UnusableFolder: if the folder is not there and cannot be made.
        """
        place = self.folder
        while not place.exists():
            place = place.parent
        if not place.is_dir():
            raise UnusableFolder(f"SPINDLE_HOME: {place}: is not a folder")
        if not os.access(place, os.W_OK | os.X_OK):
            raise UnusableFolder(f"SPINDLE_HOME: {place}: may not be written to")

    def make(self) -> None:
        """Create the folders; those with the control socket and passwords for this user only.

        :raises UnsafeFolder: if another user made the short folder of the socket first.
        :raises UnusableFolder: if they cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.logs.mkdir(exist_ok=True)
            self._make_private()
        except OSError as error:
            where = error.filename or self.folder
            raise UnusableFolder(f"SPINDLE_HOME: {where}: {error.strerror}") from None

    def _make_private(self) -> None:
        for private in (self.run, self.socket().parent):
            private.mkdir(mode=0o700, exist_ok=True)
            if private.is_symlink() or private.stat().st_uid != os.getuid():
                raise UnsafeFolder(f"{private} belongs to somebody else; remove it")
            private.chmod(0o700)


def home_of(folder: str) -> Home:
    """The ``Home`` at SPINDLE_HOME, relative to the checkout.

    :raises UnusableFolder: if it names a user that is not there.
    """
    try:
        return Home((ROOT / Path(folder).expanduser()).resolve())
    except RuntimeError as error:
        raise UnusableFolder(f"SPINDLE_HOME: {folder}: {error}") from None
