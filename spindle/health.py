"""Which parts of a service work, and the reason where one does not."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable

from spindle import timestamps

log = logging.getLogger("spindle.health")


class Health:
    """The state of a service's parts; safe to read from another thread.

    A service is healthy when every part that it named is. Parts begin as "starting".
    """

    def __init__(self, service: str, parts: Iterable[str] = ()) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._failing: dict[str, str] = dict.fromkeys(parts, "starting")  # part -> why
        self._parts = set(self._failing)
        self._since_ns = time.time_ns()  # of the last change between healthy and not

    def ok(self, part: str) -> None:
        """The part works."""
        self._set(part, None)

    def failing(self, part: str, reason: str) -> None:
        """The part does not work, and why, in a sentence without secrets."""
        self._set(part, reason)

    def _set(self, part: str, reason: str | None) -> None:
        with self._lock:
            before = self._failing.get(part)
            known = part in self._parts
            if known and before == reason:
                return
            healthy = not self._failing
            self._parts.add(part)
            if reason is None:
                self._failing.pop(part, None)
            else:
                self._failing[part] = reason
            if healthy is bool(self._failing):
                self._since_ns = time.time_ns()
        if reason is not None:
            log.warning("%s: %s", part, reason)
        elif before is not None:
            log.info("%s: ok", part)

    @property
    def healthy(self) -> bool:
        """Every part works."""
        with self._lock:
            return not self._failing

    def parts(self) -> dict[str, bool]:
        """Part -> does it work."""
        with self._lock:
            return {part: part not in self._failing for part in sorted(self._parts)}

    def report(self) -> dict[str, object]:
        """``{service, status, since, parts}`` as ``/healthz`` shows it."""
        with self._lock:
            return {
                "service": self._service,
                "status": "failing" if self._failing else "ok",
                "since": timestamps.format_ns(self._since_ns),
                "parts": {part: self._failing.get(part, "ok") for part in sorted(self._parts)},
            }
