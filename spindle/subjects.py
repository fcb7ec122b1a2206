"""Every subject, stream, consumer, bucket, measurement and tag name, once."""

from __future__ import annotations

import re

# Subjects of the wire contract.
EVENTS = "events.event"
METRICS = "events.metrics"
FACTS = "events.facts"  # always events.facts.<sourceDevice>.<deviceId>
PARKING_ENTRY = "parking.entry"  # also parking.entry.<lot>, parking.exit.<lot>
PARKING_EXIT = "parking.exit"
PARKING_SUMMARY = "parking.summary"
DEAD_LETTER = "deadletter"
READER = "reader"
READER_QUERY = "reader.query"
HEALTH_CHANGED = "health.changed"
VERDICTS = "health.verdicts"  # readings, as on METRICS, that the reader makes
WRITER_LEDGER = "writer.ledger"
SIMULATION_TRUTH = "simulation.truth"
SIMULATION_INJECT = "simulation.inject"

# JetStream.
METRICS_STREAM = "METRICS"
EVENTS_STREAM = "EVENTS"
DEAD_LETTER_STREAM = "DEADLETTERS"
SIMULATION_STREAM = "SIMULATION"
HEALTH_STREAM = "HEALTH"  # changes of health, until everybody was told
NOTIFIER_CONSUMER = "notifier"
WRITER_CONSUMER = "writer"
CLIENT_CONSUMER = "client"
PARKING_STREAM = "PARKING"
PARKING_SUMMARIES_STREAM = "PARKING_SUMMARIES"
PARKING_CONSUMER = "parking"  # of the matcher, on PARKING

# Buckets of keys and values; a bucket is the stream KV_<bucket>.
PARKING_BUCKET = "parking"  # vehicles inside, by plate
PARKING_TOTALS_BUCKET = "parking_totals"
PARKING_TOTALS_KEY = "visits"
DEVICES_BUCKET = "devices"  # the newest facts of each device, by <sourceDevice>.<deviceId>
DECISIONS_BUCKET = "decisions"  # what people decided about devices
WATCH_BUCKET = "reader_watch"  # what the readers' watch knows
GATEWAY_KEYS_BUCKET = "gateway_keys"  # Idempotency-Keys
LEDGER_BUCKET = "ledger"  # what publishers had acknowledged, and what writers dealt with
LEDGER_CLAIMS, LEDGER_RECORDS = "acknowledged", "recorded"  # what its keys begin with
SHOWN_BUCKETS = (PARKING_BUCKET, DEVICES_BUCKET)  # to guests

# Between the pipeline's NATS account and the guests': see local/nats/users.py.
GUEST_FOLLOW = "guest.follow"  # guest.follow.KV_<bucket>: a consumer is asked for
GUEST_INBOX = "guest.inbox"  # what their consumers deliver: their _INBOX

#: Of a numbered message: ``<publisher> <first> <count>``, see ``spindle.ledger.numbering``.
NUMBER_HEADER = "Spindle-Number"

# Headers of a dead letter.
REASON_HEADER = "Spindle-Reason"
KIND_HEADER = "Spindle-Kind"
SUBJECT_HEADER = "Spindle-Subject"
STREAM_HEADER = "Spindle-Stream"
SEQUENCE_HEADER = "Spindle-Sequence"
INDEX_HEADER = "Spindle-Index"
SIZE_HEADER = "Spindle-Size"
MESSAGE_ID_HEADER = "Nats-Msg-Id"

# Storage schema.
DEVICE_METRICS = "device_metrics"
EVENTS_MEASUREMENT = "events"
SOURCE_DEVICE = "source_device"
METRIC_TYPE = "metric_type"
EVENT_TYPE = "event_type"
DEVICE_ID = "device_id"
ARRAY_ID = "array_id"
PARKING_VISITS = "parking_visits"
LOT = "lot"
STATUS = "status"


_UNSAFE = re.compile(r"[^!-~]|[*>]")


def token(name: str) -> str:
    """A valid name as one subject token: a ``.`` would split it, so it becomes ``_``."""
    return name.replace(".", "_")


def device_subject(base: str, source_device: str, device_id: str) -> str:
    """``<base>.<sourceDevice>.<deviceId>``; the payload, not the subject, is what counts."""
    return f"{base}.{token(source_device)}.{token(device_id)}"


def bucket_stream(bucket: str) -> str:
    """The stream behind a bucket."""
    return f"KV_{bucket}"


def bucket_subject(bucket: str, key: str) -> str:
    """The subject of one key of a bucket."""
    return f"$KV.{bucket}.{key}"


#: With it a line of the protocol stays far below the 4096 bytes at which nats-server hangs up.
_LONGEST_ORIGINAL = 256


def dead_letter_subject(original: str) -> str:
    """``deadletter.<original subject>``; what could trouble a reader of letters becomes ``_``."""
    tokens = original[:_LONGEST_ORIGINAL].split(".")
    safe = (_UNSAFE.sub("_", one) or "_" for one in tokens)
    return ".".join((DEAD_LETTER, *safe))
