"""The dead letters: read, replayed, purged. What was wrong stands in their headers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import APIError, NotFoundError

from spindle import subjects
from spindle.bus import numbered
from spindle.errors import BusUnavailable, InvalidInput
from spindle.ledger.numbering import Claims
from spindle.text import shown

STREAM = subjects.DEAD_LETTER_STREAM
EVERYTHING = f"{subjects.DEAD_LETTER}.>"
TIMEOUT_SECONDS = 5.0
NO_MESSAGE = 10057  # JetStream's code where there is none of that number
LISTED_CHARACTERS = 200  # of a payload, in a list


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter.

    :ivar number: its place in the stream of dead letters, by which it is named.
    :ivar time: when it was put there, RFC 3339.
    :ivar subject: where the message was published at first.
    :ivar kind: ``invalid``, ``refused`` or ``too_large``.
    :ivar reason: one sentence.
    :ivar origin: stream, sequence and place in the envelope.
    :ivar payload: the one bad object, or the message as it came.
    :ivar cut_from: the whole's size in bytes, if ``payload`` is only its beginning.
    """

    number: int
    time: str
    subject: str
    kind: str
    reason: str
    origin: str
    payload: bytes
    cut_from: int | None

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self), "payload": self.payload.decode("utf-8", "backslashreplace")}

    def listed(self) -> dict[str, Any]:
        """As ``plain``, with at most the beginning of the payload; ``shortened`` says so."""
        plain = self.plain()
        payload, shortened = plain["payload"], None
        if len(payload) > LISTED_CHARACTERS:
            plain["payload"] = payload[:LISTED_CHARACTERS]
            shortened = (
                f"the first {LISTED_CHARACTERS} of {len(payload)} characters; "
                f"all of it: ./run.sh deadletters show {self.number}"
            )
        return {**plain, "shortened": shortened}


def js_of(client: Client) -> JetStreamContext:
    """JetStream with a time-out short enough for a person who waits."""
    return client.jetstream(timeout=TIMEOUT_SECONDS)


async def count(js: JetStreamContext) -> int:
    """How many dead letters there are.

    :raises BusUnavailable: JetStream does not answer.
    """
    try:
        return int((await js.stream_info(STREAM)).state.messages)
    except NotFoundError:
        return 0
    except (NatsError, TimeoutError) as error:
        raise _away(error) from None


async def letters(js: JetStreamContext, start: int = 1) -> AsyncIterator[DeadLetter]:
    """All dead letters from number ``start`` on, oldest first.

    :raises BusUnavailable: JetStream does not answer.
    """
    number = max(1, start)
    while True:
        try:
            raw = await js.get_msg(STREAM, seq=number, subject=EVERYTHING, next=True)
        except NotFoundError:
            return
        except (NatsError, TimeoutError) as error:
            raise _away(error) from None
        headers = raw.headers or {}
        place = headers.get(subjects.INDEX_HEADER)
        origin = f"{headers.get(subjects.STREAM_HEADER)} {headers.get(subjects.SEQUENCE_HEADER)}"
        size = headers.get(subjects.SIZE_HEADER)
        number = int(raw.seq or 0)
        yield DeadLetter(
            number=number,
            time=raw.time.isoformat().replace("+00:00", "Z") if raw.time else "",
            subject=headers.get(subjects.SUBJECT_HEADER, ""),
            kind=headers.get(subjects.KIND_HEADER, ""),
            reason=headers.get(subjects.REASON_HEADER, ""),
            origin=f"{origin} [{place}]" if place else origin,
            payload=raw.data or b"",
            cut_from=int(size) if size else None,
        )
        number += 1


async def one(js: JetStreamContext, number: int) -> DeadLetter:
    """The dead letter with that number.

    :raises InvalidInput: there is none.
    """
    async for letter in letters(js, number):
        if letter.number == number:
            return letter
        break
    raise InvalidInput(f"there is no dead letter {number}; `list` shows those that there are")


async def replay(js: JetStreamContext, letter: DeadLetter, claims: Claims) -> None:
    """Publish a dead letter on its original subject; once its stream has it, delete it here.

    A repeat after a failure half-way is recognised by its message id within the duplicate window.

    :param claims: gives each letter one number, and learns which were acknowledged.
    :raises InvalidInput: only its beginning was kept, or it does not say where it came from.
    :raises BusUnavailable: it stays a dead letter.
    """
    if letter.cut_from is not None:
        raise InvalidInput(
            f"dead letter {letter.number} holds only the first {len(letter.payload)} "
            f"of {letter.cut_from} bytes: it cannot be replayed"
        )
    if not letter.subject:
        raise InvalidInput(f"dead letter {letter.number} does not say where it was published")
    stream = letter.origin.partition(" ")[0]
    replayed = f"replay-{letter.number}-{letter.time}"
    try:
        await numbered.publish(js, claims, replayed, stream, letter.subject, letter.payload)
        await _delete(js, letter.number)
    except (NatsError, TimeoutError) as error:
        raise _away(error) from None


async def claim(js: JetStreamContext, claims: Claims) -> None:
    """Say for the audit which letters were acknowledged by their streams.

    :raises BusUnavailable: JetStream does not answer.
    """
    try:
        for subject, payload in claims.news():
            await js.publish(subject, payload)
    except (NatsError, TimeoutError) as error:
        raise _away(error) from None


async def purge(js: JetStreamContext, number: int | None) -> None:
    """Delete the dead letter with that number, or all (None).

    :raises BusUnavailable: JetStream does not answer.
    """
    try:
        if number is None:
            await js.purge_stream(STREAM)
        else:
            await one(js, number)
            await _delete(js, number)
    except (NatsError, TimeoutError) as error:
        raise _away(error) from None


async def _delete(js: JetStreamContext, number: int) -> None:
    """Delete a letter, unless somebody else has at the same time."""
    try:
        await js.delete_msg(STREAM, number)
    except APIError as error:
        if error.err_code != NO_MESSAGE:
            raise


def parse_numbers(words: list[str]) -> list[int]:
    """``3 7 10-12`` as numbers.

    :raises InvalidInput: a word is neither a number nor a range.
    """
    numbers: list[int] = []
    for word in words:
        low, dash, high = word.partition("-")
        if not (low.isdecimal() and (high.isdecimal() if dash else True)):
            raise InvalidInput(f"given {shown(word)}, expected numbers such as 3 or 10-12")
        first, last = int(low), int(high) if dash else int(low)
        if not 0 <= last - first < 1_000_000:
            raise InvalidInput(f"given {shown(word)}, expected a rising range of at most a million")
        numbers += range(first, last + 1)
    return numbers


def _away(error: Exception) -> BusUnavailable:
    return BusUnavailable(f"JetStream does not answer: {error or type(error).__name__}")
