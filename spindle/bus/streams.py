"""The streams and consumers that Spindle declares, as data.

METRICS and EVENTS are work queues: a message stays until the writer acknowledges it and then makes
room, whether or not a consumer exists yet (interest retention would discard what is published
before the first consumer, and drop everything when a broken consumer is deleted for repair).
``discard: new`` makes a full stream refuse the publisher aloud instead of deleting what nobody has
read. Events have a stream of their own, so that a flood of metrics cannot crowd them out.

PARKING is a work queue too. PARKING_SUMMARIES keeps a visit until both who want it have it: the
writer (the store) and the client (the CSV file). Their consumers are declared with it, so that
interest exists from the start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    SubjectTransform,
)

from spindle import subjects

if TYPE_CHECKING:
    from spindle.settings import Settings  # pydantic is long in loading, and a question needs none

#: Longer than the longest pause between two tries of one publish, so that a repeat is recognised.
DUPLICATE_WINDOW_SECONDS = 600.0
#: A message not acknowledged, and not extended, for so long is delivered again.
ACK_WAIT_SECONDS = 30.0
#: What all writers together may hold unacknowledged: a few of the largest batches.
MAX_ACK_PENDING = 200_000
#: What the simulator knew of its own faults: some 300 bytes each, kept to score detection against.
SIMULATION_MAX_BYTES = 64 * 2**20
SIMULATION_MAX_AGE_HOURS = 720.0
#: Changes of health, some 1,000 bytes each.
HEALTH_MAX_BYTES = 16 * 2**20
#: Messages that the notifier may hold: while an address is down they wait here.
MAX_NOTICES_PENDING = 10_000
#: Facts of devices: some 500 bytes each, the newest of each kept.
DEVICES_MAX_BYTES = 64 * 2**20
#: The ledger: some kilobytes for each stream, and a hundred bytes for each publisher's process.
LEDGER_MAX_BYTES = 64 * 2**20
LEDGER_MAX_AGE_SECONDS = 8 * 86_400.0  #: after which what a publisher said is forgotten


#: What people decided: some 500 bytes each.
DECISIONS_MAX_BYTES = 32 * 2**20
#: A series in the readers' watch: twice the largest state, so that none is refused.
WATCH_BYTES_PER_SERIES = 134_218
KEYS_KEPT_SECONDS = 24 * 3600.0  #: whoever repeats a request does so within a day
OTHERS_MAX_BYTES = 2**30  #: room for the buckets of single services
PARKING_STREAMS = 4  #: streams and buckets that PARKING_STREAM_MAX_BYTES bounds, each
#: The matcher takes one message at a time, in the stream's order, whichever writer it is in: a kill
#: delays parking by this long and never reorders it.
PARKING_ACK_WAIT_SECONDS = 5.0
VISITS_ACK_WAIT_SECONDS = 10.0  #: the same for visits
#: Visits that a consumer of PARKING_SUMMARIES may hold unacknowledged.
MAX_VISITS_PENDING = 1_000
#: A visit whose publication was interrupted is published again; recognised for so long by NATS, and
#: for good by the store and the CSV file.
VISITS_DUPLICATE_WINDOW_SECONDS = 3600.0


def queued(settings: Settings) -> int:
    """Most bytes of the two streams that a flood fills, by their settings."""
    return settings.metrics_stream_max_bytes + settings.events_stream_max_bytes


def others(settings: Settings) -> int:
    """Most bytes of all other streams and buckets."""
    parking = settings.parking_stream_max_bytes * PARKING_STREAMS
    kept = SIMULATION_MAX_BYTES + HEALTH_MAX_BYTES + DEVICES_MAX_BYTES + LEDGER_MAX_BYTES
    return settings.deadletter_max_bytes + parking + kept + OTHERS_MAX_BYTES


def _fitted(max_bytes: int, settings: Settings) -> int:
    """A queue's size, smaller where NATS_ROOM_BYTES says so: what it has then already stays."""
    room, wanted = settings.nats_room_bytes, queued(settings)
    return max_bytes if not room or room >= wanted else max(2**20, max_bytes * room // wanted)


def streams(settings: Settings) -> list[StreamConfig]:
    """Every stream, as it should be."""
    return [
        _work_queue(
            subjects.METRICS_STREAM,
            subjects.METRICS,
            _fitted(settings.metrics_stream_max_bytes, settings),
            settings,
            subjects.VERDICTS,
        ),
        _work_queue(
            subjects.EVENTS_STREAM,
            subjects.EVENTS,
            _fitted(settings.events_stream_max_bytes, settings),
            settings,
        ),
        # No max_age: by a clock of NATS's that is wild it would take all letters.
        _kept(
            subjects.DEAD_LETTER_STREAM,
            "What can never be stored, with the reason in its headers",
            f"{subjects.DEAD_LETTER}.>",
            settings.deadletter_max_bytes,
            settings,
        ),
        _kept(
            subjects.SIMULATION_STREAM,
            "What the simulator knew of its own faults: their starts and ends",
            subjects.SIMULATION_TRUTH,
            SIMULATION_MAX_BYTES,
            settings,
        ).evolve(max_age=SIMULATION_MAX_AGE_HOURS * 3600),
        _kept(
            subjects.HEALTH_STREAM,
            "Changes of health, until everybody in NOTIFY_URLS was told",
            f"{subjects.HEALTH_CHANGED}.>",
            HEALTH_MAX_BYTES,
            settings,
        ),
        _devices(settings),
        bucket(
            subjects.LEDGER_BUCKET,
            "What publishers had acknowledged, and what writers dealt with",
            settings,
            LEDGER_MAX_BYTES,
            LEDGER_MAX_AGE_SECONDS,
        ).evolve(allow_rollup_hdrs=False),
        *_parking(settings),
        *buckets_of_services(settings).values(),
    ]


def buckets_of_services(settings: Settings) -> dict[str, StreamConfig]:
    """Buckets that one service alone writes, by name; without NATS's users it declares them too."""
    watch_bytes = settings.reader_watch_series * WATCH_BYTES_PER_SERIES
    made = {
        subjects.WATCH_BUCKET: ("What the readers' watch knows, across restarts", watch_bytes, 0.0),
        subjects.DECISIONS_BUCKET: (
            "What people decided about devices",
            DECISIONS_MAX_BYTES,
            0.0,
        ),
        subjects.GATEWAY_KEYS_BUCKET: (
            "Idempotency-Keys and what they came with",
            -1,
            KEYS_KEPT_SECONDS,
        ),
    }
    return {
        name: bucket(name, what, settings, most, age) for name, (what, most, age) in made.items()
    }


def _devices(settings: Settings) -> StreamConfig:
    """The bucket of device facts. What is published on its subjects becomes a value by itself."""
    facts, values = f"{subjects.FACTS}.>", subjects.bucket_subject(subjects.DEVICES_BUCKET, ">")
    return bucket(subjects.DEVICES_BUCKET, "The newest facts of each device", settings).evolve(
        subjects=[values, facts],
        subject_transform=SubjectTransform(src=facts, dest=values),
        allow_rollup_hdrs=False,
        max_bytes=DEVICES_MAX_BYTES,
    )


def _parking(settings: Settings) -> list[StreamConfig]:
    entries_and_exits = _work_queue(
        subjects.PARKING_STREAM, "parking", settings.parking_stream_max_bytes, settings
    )
    events = (subjects.PARKING_ENTRY, subjects.PARKING_EXIT)
    return [
        entries_and_exits.evolve(
            description="Entries and exits, until the matcher has recorded them",
            subjects=[subject + end for subject in events for end in ("", ".>")],
        ),
        entries_and_exits.evolve(
            name=subjects.PARKING_SUMMARIES_STREAM,
            description="Visits, until they are in the store and in the CSV file",
            subjects=[subjects.PARKING_SUMMARY],
            retention=RetentionPolicy.INTEREST,
            duplicate_window=VISITS_DUPLICATE_WINDOW_SECONDS,
        ),
        bucket(subjects.PARKING_BUCKET, "Vehicles inside, by plate", settings),
        bucket(subjects.PARKING_TOTALS_BUCKET, "Visits ever counted", settings),
    ]


def bucket(
    name: str,
    description: str,
    settings: Settings,
    max_bytes: int | None = None,
    max_age_seconds: float = 0,
) -> StreamConfig:
    """The stream of a bucket with one value per key, as ``nats kv add`` would make it.

    Whoever may publish a value may empty it by a header (``Nats-Rollup: all``), which ``purge`` of
    a key needs: where others publish than the bucket's owner, ``allow_rollup_hdrs`` is off.

    :param max_bytes: PARKING_STREAM_MAX_BYTES where nothing is given; -1 for no bound.
    :param max_age_seconds: after which a value goes; 0 keeps it.
    """
    return StreamConfig(
        name=subjects.bucket_stream(name),
        description=description,
        subjects=[subjects.bucket_subject(name, ">")],
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_msgs_per_subject=1,
        max_bytes=settings.parking_stream_max_bytes if max_bytes is None else max_bytes,
        max_age=max_age_seconds,
        allow_rollup_hdrs=True,
        deny_delete=True,
        allow_direct=True,
        allow_msg_ttl=True,
        num_replicas=settings.stream_replicas,
    )


def _kept(
    name: str, description: str, subject: str, max_bytes: int, settings: Settings
) -> StreamConfig:
    """A stream that keeps what it has until its room is full; then the oldest goes."""
    return StreamConfig(
        name=name,
        description=description,
        subjects=[subject],
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.OLD,
        storage=StorageType.FILE,
        max_bytes=max_bytes,
        duplicate_window=DUPLICATE_WINDOW_SECONDS,
        num_replicas=settings.stream_replicas,
    )


def _work_queue(
    name: str, subject: str, max_bytes: int, settings: Settings, *more: str
) -> StreamConfig:
    return StreamConfig(
        name=name,
        description=f"{subject}, until the writer has stored it",
        subjects=[subject, f"{subject}.>", *more],
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
        *(
            (stream, _writer_consumer())
            for stream in (subjects.METRICS_STREAM, subjects.EVENTS_STREAM)
        ),
        *(
            (
                subjects.HEALTH_STREAM,
                _consumer(name, what, ACK_WAIT_SECONDS, MAX_NOTICES_PENDING),
            )
            for name, what in (
                (subjects.NOTIFIER_CONSUMER, "Tells people"),
                (subjects.CLIENT_CONSUMER, "Ends in client_output.log"),
            )
        ),
        (
            subjects.PARKING_STREAM,
            _consumer(subjects.PARKING_CONSUMER, "The matcher", PARKING_ACK_WAIT_SECONDS, 1),
        ),
        *(
            (
                subjects.PARKING_SUMMARIES_STREAM,
                _consumer(name, f"Into {where}", VISITS_ACK_WAIT_SECONDS, MAX_VISITS_PENDING),
            )
            for name, where in (
                (subjects.WRITER_CONSUMER, "the store"),
                (subjects.CLIENT_CONSUMER, "the CSV file"),
            )
        ),
    ]


def _writer_consumer() -> ConsumerConfig:
    name, text = subjects.WRITER_CONSUMER, "Shared by every writer"
    return _consumer(name, text, ACK_WAIT_SECONDS, MAX_ACK_PENDING)


def _consumer(name: str, description: str, ack_wait: float, most_pending: int) -> ConsumerConfig:
    return ConsumerConfig(
        durable_name=name,
        description=description,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ack_wait,
        max_deliver=-1,
        max_ack_pending=most_pending,
    )
