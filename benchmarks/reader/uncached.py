"""The reader, but each question is answered anew, and nothing else asks the store meanwhile."""

from __future__ import annotations

from reader import gauges
from reader.answering import runner
from reader.main import PARTS, main
from reader.settings import ReaderSettings
from spindle.service.run import run

if __name__ == "__main__":
    runner.SHARED_SECONDS = 0.0
    gauges.LEAST_SECONDS = gauges.MOST_SECONDS = 3600.0
    run("reader", ReaderSettings, main, PARTS, lambda settings: settings.reader_http_port, [])
