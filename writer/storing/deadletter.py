"""Keep what can never be stored, with the reason, where a person can read and replay it."""

from __future__ import annotations

from hashlib import blake2b

from nats.aio.client import Client
from nats.errors import Error as NatsError

from spindle import subjects
from spindle.bus import protocol
from spindle.errors import BusUnavailable
from writer.storing.batch import Delivery, Mistake
from writer.storing.decode import letter_payload
from writer.storing.intake import identity, stream_sequence

PUBLISH_TIMEOUT_SECONDS = 5.0
#: Room in the broker's largest message for the headers added here.
HEADER_ROOM = 4096
_LONGEST_REASON = 1024


async def publish_dead_letter(
    client: Client, stream: str, delivery: Delivery, mistake: Mistake
) -> bool:
    """Publish what is wrong with a delivery; return when the broker has it on its stream.

    The message id names the message, and the place in it, so that a repeat within the duplicate
    window is not kept twice.

    :return: the broker had it already.
    :raises BusUnavailable: it may or may not have been kept; try again.
    """
    payload = letter_payload(delivery.payload, mistake.index)
    place = "" if mistake.index is None else str(mistake.index)
    if mistake.count > 1:
        place = f"{mistake.count} objects"
    headers = {
        subjects.MESSAGE_ID_HEADER: f"{stream}-{_origin(delivery)}-{place}",
        subjects.KIND_HEADER: mistake.kind,
        subjects.REASON_HEADER: header_text(mistake.reason),
        subjects.SUBJECT_HEADER: header_text(_escaped(delivery.subject)),
        subjects.STREAM_HEADER: stream,
        subjects.SEQUENCE_HEADER: str(stream_sequence(delivery.reply)),
    }
    if mistake.index is not None:
        headers[subjects.INDEX_HEADER] = place
    room = client.max_payload - HEADER_ROOM
    if len(payload) > room:
        headers[subjects.SIZE_HEADER] = str(len(payload))  # the letter holds its beginning only
        payload = payload[:room]
    return await publish(client, delivery.subject, payload, headers)


async def publish(client: Client, original: str, payload: bytes, headers: dict[str, str]) -> bool:
    """Put a dead letter on its stream.

    :param original: the subject that the message came on.
    :return: the broker had it already.
    :raises BusUnavailable: it may or may not have been kept; try again.
    """
    subject = subjects.dead_letter_subject(original)
    js = client.jetstream(timeout=PUBLISH_TIMEOUT_SECONDS)
    try:
        answer = await js.publish(subject, payload, headers=headers)
    except (NatsError, OSError) as error:
        raise BusUnavailable(
            f"dead letter not acknowledged: {error or type(error).__name__}"
        ) from None
    return bool(answer.duplicate)


def _origin(delivery: Delivery) -> str:
    """What a message shares with its repeats and with no other.

    A stream's place is not enough: a broker that is killed forgets the ids of what was acknowledged
    and is gone. A publisher that it owes an answer then sends a message again, to a new place.
    """
    _, fields = protocol.status(delivery.header)
    given = fields.get(subjects.MESSAGE_ID_HEADER)
    if not given:
        return identity(delivery.reply)
    whole = f"{given}\0{delivery.subject}\0".encode() + delivery.payload
    return blake2b(whole, digest_size=16).hexdigest()


def _escaped(subject: str) -> str:
    """A subject with nothing in it that is no printable ASCII; most are as they were."""
    return subject if subject.isprintable() else subject.encode("unicode_escape").decode()


def header_text(text: str) -> str:
    """A reason as one header line: printable ASCII, cut to a length a person reads."""
    line = " ".join(text.split()).encode("ascii", "backslashreplace").decode()
    line = "".join(character if character.isprintable() else "?" for character in line)
    return line if len(line) <= _LONGEST_REASON else line[:_LONGEST_REASON] + "..."
