"""Spindle's own services as processes, as a user runs them, for tests and benchmarks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.servers import ROOT, free_port

START_SECONDS = 90.0
_WITH_CONSTANTS = """\
import importlib, runpy, sys
for module, name, value in {changes!r}:
    setattr(importlib.import_module(module), name, value)
sys.argv = ["{name}"]
runpy.run_module("{name}", run_name="__main__", alter_sys=True)
"""


class ServiceProcess:
    """``python -m <name>`` with settings of its own, in a folder of its own."""

    def __init__(self, name: str, folder: Path, **settings: object) -> None:
        self.name = name
        self.module = name  # what ``python -m`` runs
        self.folder = folder
        self.port = free_port()
        self.log = folder / f"{name}-{self.port}.log"
        self.settings = {key.upper(): str(value) for key, value in settings.items()}
        self.settings[f"{name.upper()}_HTTP_PORT"] = str(self.port)
        self.constants: dict[str, object] = {}  # "module.NAME" -> value, for a shorter test
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> None:
        """Start it; return when ``/healthz`` says ok (or at once)."""
        env = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG"}}
        env |= {"PYTHONPATH": str(ROOT), **self.settings}
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command(), cwd=self.folder, env=env, stdout=log, stderr=log
            )
        if wait:
            self.wait_healthy()

    def _command(self) -> list[str]:
        if not self.constants:
            return [sys.executable, "-m", self.module]
        changes = [(*name.rsplit(".", 1), value) for name, value in self.constants.items()]
        return [sys.executable, "-c", _WITH_CONSTANTS.format(name=self.module, changes=changes)]

    def wait_healthy(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process is not None and self.process.poll() is not None:
                break
            if self.health().get("status") == "ok":
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} is not healthy: {self.health()}\n{self.said()}")

    def said(self) -> str:
        """All that it has logged; a tail would lose what came before many other lines."""
        return self.log.read_text() if self.log.exists() else ""

    def health(self) -> Mapping[str, object]:
        """``/healthz`` as it stands; empty while nothing answers."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/healthz", timeout=10
            ) as page:
                return json.load(page)  # type: ignore[no-any-return]
        except urllib.error.HTTPError as error:
            return json.load(error)  # type: ignore[no-any-return]
        except OSError:
            return {}

    def metrics(self) -> dict[str, float]:
        """``/metrics``: sample with labels -> value."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=20) as page:
            lines = page.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def total(self, metric: str) -> float:
        """The sum of a metric over its labels."""
        return sum(v for k, v in self.metrics().items() if k.partition("{")[0] == metric)

    def send(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, number)

    def kill(self) -> None:
        """``kill -9``."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self, seconds: float = 60.0) -> int:
        """SIGTERM; the exit code."""
        if self.process is None:
            return 0
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
