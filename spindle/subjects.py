"""Every subject, stream, consumer, bucket, measurement and tag name, once."""

from __future__ import annotations

# Subjects of the wire contract.
EVENTS = "events.event"
METRICS = "events.metrics"
PARKING_ENTRY = "parking.entry"
PARKING_EXIT = "parking.exit"
PARKING_SUMMARY = "parking.summary"
DEAD_LETTER = "deadletter"
READER = "reader"
READER_QUERY = "reader.query"
HEALTH_CHANGED = "health.changed"
WRITER_LEDGER = "writer.ledger"

# JetStream.
METRICS_STREAM = "METRICS"
EVENTS_STREAM = "EVENTS"
DEAD_LETTER_STREAM = "DEADLETTERS"
WRITER_CONSUMER = "writer"

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


def token(name: str) -> str:
    """A valid name as one subject token: a ``.`` would split it, so it becomes ``_``."""
    return name.replace(".", "_")


def device_subject(base: str, source_device: str, device_id: str) -> str:
    """``<base>.<sourceDevice>.<deviceId>``; the payload, not the subject, is what counts."""
    return f"{base}.{token(source_device)}.{token(device_id)}"


def dead_letter_subject(original: str) -> str:
    """``deadletter.<original subject>``."""
    return f"{DEAD_LETTER}.{original}"
