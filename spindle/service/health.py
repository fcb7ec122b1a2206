"""Which parts of a service work, and the reason where one does not."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable

from spindle import timestamps

log = logging.getLogger("spindle.health")


STARTING = "starting"


class Health:
    """The state of a service's parts; safe to read from another thread.

    A service is healthy when every part that it named is. Parts begin as "starting". Where several
    report on one part, each has its own say: it works when it works for all of them.
    """

    def __init__(self, service: str, parts: Iterable[str] = ()) -> None:
        self._service = service
        self._lock = threading.Lock()
        # Part -> who says that it does not work -> why; without those that work.
        self._failing: dict[str, dict[str, str]] = {part: {"": STARTING} for part in parts}
        self._parts = set(self._failing)
        self._since_ns = time.time_ns()  # of the last change between healthy and not

    def ok(self, part: str, by: str = "") -> None:
        """``by`` reports that the part works."""
        self._set(part, by, None)

    def failing(self, part: str, reason: str, by: str = "") -> None:
        """``by`` reports that the part fails; the reason is a sentence without secrets."""
        self._set(part, by, reason)

    def _set(self, part: str, by: str, reason: str | None) -> None:
        with self._lock:
            known = part in self._parts
            before = self._reason(part)
            healthy = not self._failing
            self._parts.add(part)
            says = self._failing.pop(part, {})
            if says.get("") == STARTING:
                del says[""]
            says.pop(by, None)
            if reason is not None:
                says[by] = reason
            if says:
                self._failing[part] = says
            now = self._reason(part)
            if healthy is bool(self._failing):
                self._since_ns = time.time_ns()
        if now == before and known:
            return
        if now is not None:
            log.warning("%s: %s", part, now)
        elif before is not None:
            log.info("%s: ok", part)

    def _reason(self, part: str) -> str | None:
        """Why the part fails; reporters are named only where their reasons differ."""
        says = self._failing.get(part)
        if not says:
            return None
        if len(set(says.values())) == 1:
            return next(iter(says.values()))
        return "; ".join(f"{by}: {why}" if by else why for by, why in sorted(says.items()))

    @property
    def healthy(self) -> bool:
        """Every part works."""
        with self._lock:
            return not self._failing

    def parts(self) -> dict[str, bool]:
        """Each part, and whether it works."""
        with self._lock:
            return {part: part not in self._failing for part in sorted(self._parts)}

    def report(self) -> dict[str, object]:
        """``{service, status, since, parts}`` as ``/healthz`` shows it."""
        with self._lock:
            return {
                "service": self._service,
                "status": "failing" if self._failing else "ok",
                "since": timestamps.format_ns(self._since_ns),
                "parts": {part: self._reason(part) or "ok" for part in sorted(self._parts)},
            }
