"""The streams and consumers that Spindle declares, as data.

METRICS and EVENTS are work queues: a message stays until the writer acknowledges it and then makes
room, whether or not a consumer exists yet (interest retention would discard what is published
before the first consumer, and drop everything when a broken consumer is deleted for repair).
``discard: new`` makes a full stream refuse the publisher aloud instead of deleting what nobody has
read. Events have a stream of their own, so that a flood of metrics cannot crowd them out.
"""

from __future__ import annotations

from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)

from spindle import subjects
from spindle.settings import Settings

#: Longer than the longest pause between two tries of one publish, so that a repeat is recognised.
DUPLICATE_WINDOW_SECONDS = 600.0
#: A message not acknowledged, and not extended, for so long is delivered again.
ACK_WAIT_SECONDS = 30.0
#: What all writers together may hold unacknowledged: a few of the largest batches.
MAX_ACK_PENDING = 200_000


def streams(settings: Settings) -> list[StreamConfig]:
    """Every stream, as it should be."""
    return [
        _work_queue(
            subjects.METRICS_STREAM, subjects.METRICS, settings.metrics_stream_max_bytes, settings
        ),
        _work_queue(
            subjects.EVENTS_STREAM, subjects.EVENTS, settings.events_stream_max_bytes, settings
        ),
        StreamConfig(
            name=subjects.DEAD_LETTER_STREAM,
            description="What can never be stored, with the reason in its headers",
            subjects=[f"{subjects.DEAD_LETTER}.>"],
            retention=RetentionPolicy.LIMITS,
            discard=DiscardPolicy.OLD,
            storage=StorageType.FILE,
            max_bytes=settings.deadletter_max_bytes,
            max_age=settings.deadletter_max_age_hours * 3600,
            duplicate_window=DUPLICATE_WINDOW_SECONDS,
            num_replicas=settings.stream_replicas,
        ),
    ]


def _work_queue(name: str, subject: str, max_bytes: int, settings: Settings) -> StreamConfig:
    return StreamConfig(
        name=name,
        description=f"{subject}, until the writer has stored it",
        subjects=[subject, f"{subject}.>"],
        retention=RetentionPolicy.WORK_QUEUE,
        discard=DiscardPolicy.NEW,
        storage=StorageType.FILE,
        max_bytes=max_bytes,
        duplicate_window=DUPLICATE_WINDOW_SECONDS,
        num_replicas=settings.stream_replicas,
    )


def consumers() -> list[tuple[str, ConsumerConfig]]:
    """Every durable consumer with its stream, as it should be."""
    return [
        (stream, _writer_consumer()) for stream in (subjects.METRICS_STREAM, subjects.EVENTS_STREAM)
    ]


def _writer_consumer() -> ConsumerConfig:
    return ConsumerConfig(
        durable_name=subjects.WRITER_CONSUMER,
        description="Shared by every writer",
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACK_WAIT_SECONDS,
        max_deliver=-1,
        max_ack_pending=MAX_ACK_PENDING,
    )
