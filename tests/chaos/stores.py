"""The stores as the chaos tests see them: started, taken away, and read without our own code."""

from __future__ import annotations

import contextlib
import sqlite3
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import orjson

from tests import servers
from tests.chaos.numbers import Metric, StoredEvent

READ_SECONDS = 60.0
DATABASE = "chaos"
FOREIGN = "another-program"  # device id of what a test itself writes; not among the rows


class StoreUnderTest(Protocol):
    """Every method blocks: call it from a thread."""

    @property
    def url(self) -> str:
        """For STORE_URL."""

    def start(self) -> None:
        """Have it there."""

    def stop(self) -> None:
        """End what was started."""

    def down(self) -> None:
        """Have it take no writes."""

    def up(self) -> None:
        """Have it take writes again."""

    def rows(self) -> Iterator[Metric | StoredEvent]:
        """Everything it holds, as it holds it."""


class Sqlite:
    """An SQLite file; it is down while another connection holds its lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._holding: sqlite3.Connection | None = None

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def start(self) -> None:
        """Nothing: the writer makes the file."""

    def stop(self) -> None:
        self.up()

    def down(self) -> None:
        self._holding = sqlite3.connect(
            self.path, timeout=READ_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._holding.execute("BEGIN IMMEDIATE")

    def up(self) -> None:
        if self._holding is not None:
            self._holding.close()
            self._holding = None

    def rows(self) -> Iterator[Metric | StoredEvent]:
        uri = f"{self.path.as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=READ_SECONDS)) as database:
            for row in database.execute(
                "SELECT device_id, metric_type, array_id, time_ns, value FROM device_metrics"
            ):
                yield Metric(*row)
            for row in database.execute(
                "SELECT event_id, device_id, time_ns, criticality FROM events"
            ):
                yield StoredEvent(*row)


class Influx:
    """A real influxd of the test's own; it is down while it does not run."""

    def __init__(self, folder: Path) -> None:
        self.server = servers.influxd(folder)

    @property
    def url(self) -> str:
        return self.url_at(self.server.port)

    @staticmethod
    def url_at(port: int) -> str:
        """For a proxy before it."""
        return f"influxdb://127.0.0.1:{port}/{DATABASE}"

    def start(self) -> None:
        self.server.start()

    def stop(self) -> None:
        self.server.kill()

    def down(self) -> None:
        self.server.kill()

    def up(self) -> None:
        self.server.start()

    def write(self, lines: str) -> None:
        """Line protocol, nanosecond times, past the writer."""
        url = f"http://{self.server.url}/write?db={DATABASE}&precision=ns"
        with urllib.request.urlopen(url, lines.encode(), timeout=READ_SECONDS) as answer:
            assert answer.status == 204

    def rows(self) -> Iterator[Metric | StoredEvent]:
        for tags, row in self._select("SELECT value FROM device_metrics GROUP BY *"):
            yield Metric(
                tags["device_id"],
                tags["metric_type"],
                tags.get("array_id", ""),
                row["time"],
                float(row["value"]),
            )
        select = "SELECT event_id, criticality, time_shift_ns FROM events GROUP BY *"
        for tags, row in self._select(select):
            true_ns = row["time"] - (row["time_shift_ns"] or 0)
            yield StoredEvent(row["event_id"], tags["device_id"], true_ns, row["criticality"])

    def _select(self, query: str) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
        asked = {"db": DATABASE, "epoch": "ns", "chunked": "true", "q": query}
        url = f"http://{self.server.url}/query?{urllib.parse.urlencode(asked)}"
        with urllib.request.urlopen(url, timeout=READ_SECONDS) as answer:
            for line in answer:
                result = orjson.loads(line)["results"][0]
                assert "error" not in result, result
                for series in result.get("series", ()):
                    if series["tags"]["device_id"] == FOREIGN:
                        continue
                    for values in series["values"]:
                        row = dict(zip(series["columns"], values, strict=True))
                        yield series["tags"], row


def store_under_test(kind: str, folder: Path) -> StoreUnderTest:
    """:param kind: ``sqlite`` or ``influxdb``."""
    return Sqlite(folder / "spindle.db") if kind == "sqlite" else Influx(folder / "influxd")
