"""Examples of what the gateway's own routes take and answer, for the OpenAPI document."""

VISIT = {
    "vehicle_plate": "KA01AB1234",
    "entry_date_time": "2026-01-31T08:15:00Z",
    "exit_date_time": "2026-01-31T10:45:30Z",
}

SAVED = {
    "status": "accepted",
    "id": "0b5c9d7e-7f2c-4b1e-9a55-0d3f4c1a2b6e",
    "duration_seconds": 9030.0,
}

HEALTH = {
    "service": "gateway",
    "status": "ok",
    "since": "2026-01-31T08:00:00Z",
    "parts": {"nats": "ok", "reader": "ok"},
}

STREAM = (
    "retry: 3000\n: connected\n\nevent: critical_event\n"
    'data: {"timestamp":"2026-01-31T12:00:00Z","sourceDevice":"DiskUnit","deviceId":"disk-7",'
    '"id":"e-1","criticality":9,"eventType":"DriveFailure"}\n\n'
)

METRICS = """\
# HELP matched_events Exits that were matched with their entry
# TYPE matched_events gauge
matched_events 812.0
"""
