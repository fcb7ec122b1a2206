"""``./run.sh``, once a Python is found: help, the virtual environment, then the command itself.

The standard library only, and nothing of ours: nothing is installed yet. What a command does is in
``local/cli.py`` and ``tools/cli.py``. ``.env`` is not read here, for only python-dotenv, which is
installed then, reads it; therefore SPINDLE_VENV is a variable of the environment alone.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # quick to load, where signal is not
import os
import sys

if __name__ == "__main__":  # before anything slow: Ctrl-C ends without a traceback
    _signal.signal(_signal.SIGINT, lambda *_: os._exit(130))
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, {_signal.SIGINT})  # run.sh blocked it
    # run.sh calls this file with none of our folders on the path
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))  # noqa: PTH120
    from local.straight import go_on

    go_on(sys.argv[1:], os.environ)

import difflib
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from local.installation import (
    EXIT_USAGE,
    ROOT,
    RUNTIME,
    Venv,
    debian_package,
    docker_answers,
    say,
)
from local.straight import LOOKING
from local.straight import become as _become

EXIT_INTERRUPTED = 130

USAGE = """\
usage: ./run.sh [command]

  (nothing)             build and start
  init                  make .env, and what building needs
  build                 install into .venv, or build the Docker images
  start [--real|--demo] start everything, wait until it is healthy; from now on
                        with real drives alone, or with the simulated fleet too
  stop                  drain and stop everything; data is kept
  restart [service]     stop and start again, everything or one service
  all                   init, build, start
  status [--json]       service, state, since, health
  logs [service] [-n N] [--no-follow]
                        follow the logs of all services or of one
  query [<query_type>] [key=value ...] [--json|--csv|--wide]
                        ask: fleet_health, devices, ...; query alone lists the
                        questions
  acknowledge DEVICE [REASON] [--until WHEN] [--note TEXT] | --list
                        a known reason stops alarming until it gets worse
  devices [retire DEVICE | unretire DEVICE | retired]
                        which there are; one that is gone for good ends in
                        every answer
  health [device] [--format text|nagios|json]
                        is all well? as a monitoring plug-in; exit code 0 ok, 1
                        warning, 2 critical, 3 unknown
  top                   the fleet, live, the worst first; ? shows the keys
  plot device_id=... metric_type=... [since_minutes=60] [-o FILE.png]
                        a series with its band, limits, anomalies and forecast
  tap [subject] [--for 10s] [--every N] [--json]
                        what flows over NATS, decoded
  notify-test           a test message to each address of NOTIFY_URLS
  selftest short|long DEVICE
                        let a drive of this machine test itself; says how long
                        it takes
  inject <fault> device_id=<simulated device> [for=5m] [--json]
                        let a simulated device overheat, slow_disk, silent,
                        ..., or: stop
  deadletters list|show|replay|purge
                        what could not be stored, with the reason
  audit [window_minutes=60 | since=... until=...] [--json]
                        is everything that was acknowledged stored? exit code 1
                        where it is not
  repair                make the writer's consumers anew; nothing that waits is
                        lost
  check-drive FILE... | - [--json]
                        will a drive fail? from smartctl --json -x, without the
                        pipeline; exit code 0 ok, 1 warning, 2 critical, 3
                        unreadable
  score FILE.csv [-o OUT.csv] [--plot OUT.png] [--view score|state]
                        the anomaly detector over a file of timestamp,value
  migrate [--dry-run]   copy the events that S3's platform stored into the form
                        of ours
  export [from=... to=... device_id=...] [-o FILE]
                        what is stored, as JSON lines
  replay FILE|FOLDER... [device_id=... metric_type=...] [--shift-to-now]
                        publish the past: of export, Backblaze's CSV,
                        timestamp,value
  backup FILE           a checked copy of the store: of SQLite made while it is
                        written to; in containers made while they are
                        stopped
  restore FILE          put such a copy back, while nothing runs; what was
                        there is kept
  replace "<SEARCH>" "<REPLACE>" [EXT] [--dry-run]
                        replace text literally in the files here (of one
                        extension)
  test [folder ...] [--containers] [arguments of pytest]
                        run the tests; folders: unit contract integration e2e
                        chaos simulation
  check                 ruff, mypy, import-linter, shellcheck
  bench [name ...]      measure
  completion bash|zsh|fish
                        a script that completes commands: source <(./run.sh
                        completion bash)
  help                  this

Where a Docker engine answers, everything runs in containers; else as processes
of this machine.
SPINDLE_MODE=local or docker forces one. Settings: .env.example
"""

#: Set by a shell that completes a command: what ./run.sh completion printed asks so.
COMPLETING = "_RUN_SH_COMPLETE"

#: Verbs by the program that has them.
LOCAL = (
    *("init", "build", "start", "stop", "restart", "all", "status", "logs", "query"),
    *("acknowledge", "devices", "health", "top", "tap", "plot", "notify-test"),
    *("audit", "migrate"),
    *("inject", "deadletters", "repair", "backup", "restore", "export", "replay", "selftest"),
)
TOOLS = (
    *("test", "check", "check-drive", "bench", "score", "replace"),
    *("completion", "env-example", "reference"),
)
#: Debian packages, and the program of each, that a verb uses where it can have them.
DEBIAN = {
    "test": (("influxdb", "influxd"), ("prometheus", "prometheus")),
    "bench": (("influxdb", "influxd"),),
    "check": (("shellcheck", "shellcheck"),),
}


def main(words: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Do what is asked, as another program; a verb that is none ends with exit code 2."""
    if COMPLETING in environment and not words:
        _complete(environment)
    verb, *rest = words or ["start"]
    if verb in ("help", "-h", "--help"):
        print(USAGE, end="")
        sys.exit(0)
    if verb not in (*LOCAL, *TOOLS):
        sys.stderr.write(f"{USAGE}\n{unknown(verb)}\n")  # what is read last is still on the screen
        sys.exit(EXIT_USAGE)
    venv = _venv(environment)
    if "--help" in rest and not venv.is_usable():
        print(excerpt(verb), end="")
        sys.exit(0)
    if verb == "replace":  # needs nothing that is installed
        _become(Path(sys.executable), ["-I", str(ROOT / "tools" / "replace.py"), *rest])
    if "--help" in rest:
        python = venv.python
    elif verb in LOOKING:
        python = _python_to_look_with(venv, verb, words)
    else:
        venv.ensure(_wanted(verb, rest))
        for package, program in DEBIAN.get(verb, ()):
            debian_package(venv.folder, package, program)
        python = venv.python
    _become(python, ["-m", "local" if verb in LOCAL else "tools", verb, *rest])


def _venv(environment: Mapping[str, str]) -> Venv:
    return Venv(ROOT / Path(environment.get("SPINDLE_VENV") or ".venv").expanduser())


def _complete(environment: Mapping[str, str]) -> NoReturn:
    """Answer a shell that completes a command: nothing while nothing is installed."""
    if not _venv(environment).is_usable():
        sys.exit(0)
    _become(_venv(environment).python, ["-m", "tools"])


def unknown(verb: str) -> str:
    """A sentence about a verb that there is not, with the nearest that there is."""
    near = difflib.get_close_matches(verb.lower(), [*LOCAL, *TOOLS, "help"], n=1)
    hint = f"; did you mean ./run.sh {near[0]}?" if near else ""
    return f'run.sh: there is no command "{verb}"{hint}'


def excerpt(verb: str) -> str:
    """What the usage says of one verb."""
    found = re.search(rf"^  {verb}\b.*\n(?:   .*\n)*", USAGE, re.MULTILINE)
    return f"usage: ./run.sh {found[0].strip()}\n" if found else USAGE


def _wanted(verb: str, rest: Sequence[str]) -> list[str]:
    wanted = list(RUNTIME)
    if verb in ("test", "check", "bench"):
        wanted.append("dev")
    if verb == "score" and any(word.startswith("--plot") for word in rest):
        wanted.append("plot")
    if verb == "plot" and any(word.startswith(("-o", "--out")) for word in rest):
        wanted.append("plot")
    return wanted


def _python_to_look_with(venv: Venv, verb: str, words: Sequence[str]) -> Path:
    """Some interpreter that has what is needed, though SPINDLE_VENV be wrong or half installed."""
    if venv.is_usable():
        return venv.python
    if python := running_python(_all_processes()):
        where = python.parent.parent
        say(f"warning: there is nothing installed in {venv.folder}; what runs uses {where}")
        return python
    if os.environ.get("SPINDLE_MODE") != "local" and docker_answers():
        os.environ["SPINDLE_WITHOUT_PYTHON"] = "1"  # what run.sh does alone is enough for this
        os.execv(ROOT / "run.sh", [str(ROOT / "run.sh"), *words])  # noqa: S606
    sentence = "nothing runs here, and nothing is installed; ./run.sh start does both"
    print(sentence, file=sys.stdout if verb in ("status", "stop") else sys.stderr)
    sys.exit(LOOKING[verb])


def _all_processes() -> str:
    command = ["ps", "axeww", "-o", "command="]  # with the environment of the user's own
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603


def running_python(processes: str) -> Path | None:
    """The interpreter of the supervisord that this checkout runs; None where none does.

    :param processes: a line for each: its command, then its environment.
    """
    for line in processes.splitlines():
        command, found, environment = line.partition(" -m supervisor.supervisord ")
        ours = f" SPINDLE_ROOT={ROOT} " in f"{environment} "
        if found and ours and os.access(command, os.X_OK):
            return Path(command)
    return None


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        main(sys.argv[1:], os.environ)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        os._exit(EXIT_INTERRUPTED)
