"""Facts of one device from several sources, as one message. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import orjson

from daemon.messages import Message
from spindle import subjects

_BUCKET = subjects.bucket_stream(subjects.DEVICES_BUCKET)


class FactsBook:
    """The newest facts of each device from each source. Mutable.

    A bucket keeps one message of each device. sysfs knows the slot, smartctl the firmware: what is
    published has both, and where two say the same thing, the source named last is believed.

    :param sources: their names, the best informed last.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        self._sources = sources
        self._said: dict[str, dict[str, dict[str, Any]]] = {}  # by subject, by source

    def merged(self, source: str, messages: Iterable[Message]) -> list[Message]:
        """The messages of a source, those with facts completed by what the others know."""
        if source not in self._sources:
            return list(messages)
        return [self._merged(source, each) if each.stream == _BUCKET else each for each in messages]

    def _merged(self, source: str, message: Message) -> Message:
        said = self._said.setdefault(message.subject, {})
        said[source] = orjson.loads(message.payload)
        if len(said) == 1:
            return message
        whole: dict[str, Any] = {}
        for name in self._sources:
            whole |= said.get(name, {})
        whole["timestamp"] = said[source]["timestamp"]
        return replace(message, payload=orjson.dumps(whole))
