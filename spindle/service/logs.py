"""Logs on standard error: for people on a terminal, one JSON object a line otherwise."""

from __future__ import annotations

import logging
import sys
import time
from typing import Literal

import orjson

from spindle import timestamps

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure(service: str, level: Literal["debug", "info", "warning", "error"] = "info") -> None:
    """Send every log record of this process to standard error: for people on a terminal, else
    as JSON lines.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter((_Human if sys.stderr.isatty() else _JsonLine)(service))
    logging.basicConfig(level=LEVELS[level], handlers=[handler], force=True)
    for chatty in ("urllib3", "nats", "asyncio", "uvicorn.access", "httpx"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, LEVELS[level]))


class _JsonLine(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": timestamps.format_ns(int(record.created * 1e6) * 1000),
            "level": record.levelname.lower(),
            "service": self._service,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


class _Human(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        line = f"{clock} {record.levelname.lower():7} {self._service}: {record.getMessage()}"
        if record.exc_info and logging.getLogger().isEnabledFor(logging.DEBUG):
            line += "\n" + self.formatException(record.exc_info)
        return line
