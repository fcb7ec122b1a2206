"""docs/reference.md, made from the code: settings, subjects, storage, questions, metrics, codes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo

from local.layout import ROOT
from local.services import SERVICES
from local.settings import ComposeSettings, LocalSettings
from reader.questions import manual
from reader.questions.registry import QUERIES
from spindle import catalog, subjects
from spindle.bus import streams
from spindle.settings import Settings, load
from tools.env_example import fields_of, shown

_HEAD = """\
# Reference

Made from the code by `python -m tools reference > docs/reference.md`; a test keeps the two equal.
"""

_EXIT_CODES = """\
## Exit codes

| program | code | meaning |
|---|---|---|
| a service | 0 | stopped as asked |
| | 1 | an unexpected error; the log says which |
| | 2 | wrong settings: each is named on standard error |
| | 3 | its port is taken |
| | 4 | what it needs for itself alone is in use (the SQLite file has another writer) |
| `./run.sh` | 0 | done |
| | 1 | it could not be done; one sentence says why |
| | 2 | wrong usage or settings |
| | 3 | `status`: not everything is healthy; `start`: a port is taken |
| | 130 | interrupted with Ctrl-C |
| `./run.sh query`, `deadletters` | 0 | answered |
| | 1 | the reader refused the question |
| | 2 | wrong usage or settings |
| | 69 | NATS or the reader does not answer |
"""

_STORAGE = """\
## What is stored

| measurement | tags | fields |
|---|---|---|
| `device_metrics` | `source_device`, `metric_type`, `device_id`, `array_id` | `value` (float) |
| `events` | `source_device`, `event_type`, `device_id`, `array_id` | `event_id`, `criticality` \
(integer), `event_message`; InfluxDB: `time_shift_ns` (integer) |
| `parking_visits` | `lot`, `status` (matched, unmatched, manual) | plate, entry and exit time, \
`duration_seconds`, id; see [parking](parking.md) |

Times are nanoseconds. A device that belongs to no array has no tag `array_id` (SQLite: an empty
one). InfluxDB keeps one point per tags and time; there an event's id chooses a place just after its
time, and `time_shift_ns` says by how much, so that two of one nanosecond are both kept. In SQLite
`device_metrics` and `events` are views with these columns.
"""

_METRIC_TYPES = """\
## Metric types

Others are accepted, stored and shown too; what follows is known of these. A limit counts once every
reading of the first of the two times is past it, and no longer once every reading of the second is
better than where it is over. What a critical event reported is over when the metric was well for
the time under *calm*. Peers are the devices of one class in one array: past this many times their
median a device stands out.

| metric type | unit | usual range | warning | critical | counts after / ends after | calm | peers |
|---|---|---|---|---|---|---|---|"""

_KINDS = {
    "Counter": "counter",
    "counter": "counter",  # a partial, with its registry
    "CounterMetricFamily": "counter",
    "Gauge": "gauge",
    "gauge": "gauge",
    "GaugeMetricFamily": "gauge",
    "Histogram": "histogram",
    "HistogramMetricFamily": "histogram",
    "Info": "info",
    "Enum": "state",
}


def reference() -> str:
    """The whole file."""
    parts = [
        _HEAD,
        _settings(),
        _subjects(),
        _STORAGE,
        _metric_types(),
        "## Questions\n\nAsked on `reader.query`, or each on its own subject `reader.<query_type>` "
        "with the params as payload.\n",
        manual.markdown(QUERIES.values()),
        _metrics(),
        _EXIT_CODES,
    ]
    return "\n".join(parts)


def _settings() -> str:
    sections = [("Shared by every service", Settings)]
    sections += [(f"`{service.name}`", service.settings_type()) for service in SERVICES]
    sections += [("`./run.sh`", LocalSettings), ("`docker-compose.yml`", ComposeSettings)]
    tables = [f"### {title}\n\n{_table(list(fields_of(kind)))}" for title, kind in sections]
    head = "## Settings\n\nFrom the environment, else from `.env`; see also `.env.example`.\n"
    return "\n".join([head, *tables])


def _table(fields: list[tuple[str, FieldInfo]]) -> str:
    rows = (
        f"| `{name.upper()}` | {field.description} | {_default(field)} |" for name, field in fields
    )
    return "\n".join(["| setting | what | default |", "|---|---|---|", *rows, ""])


def _default(field: FieldInfo) -> str:
    text = shown(field.get_default(call_default_factory=True))
    return f"`{text}`" if text else ""


def _subjects() -> str:
    wanted = load(Settings, _env_file=None)
    rows = [
        f"| {stream.name} | {', '.join(f'`{each}`' for each in stream.subjects or [])} "
        f"| {stream.retention.value if stream.retention else ''} | {stream.description} |"
        for stream in streams.streams(wanted)
    ]
    consumers = [
        f"| {stream} | `{consumer.durable_name}` | {consumer.description} |"
        for stream, consumer in streams.consumers()
    ]
    headers = [
        f"`{value}`" for name, value in sorted(vars(subjects).items()) if name.endswith("_HEADER")
    ]
    return "\n".join(
        [
            "## Subjects, streams and consumers\n",
            "| stream | subjects | retention | what |",
            "|---|---|---|---|",
            *rows,
            "",
            "| stream | consumer | what |",
            "|---|---|---|",
            *consumers,
            "",
            f"A dead letter's headers: {', '.join(headers)}.\n",
        ]
    )


def _metric_types() -> str:
    """The catalogue: a metric's line there is all that has to be written for it."""
    rows = [
        f"| `{metric.name}` | {metric.unit} | {metric.low:g} to {metric.high:g} "
        f"| {_limit(metric, metric.warning)} | {_limit(metric, metric.critical)} "
        f"| {metric.enter_seconds:g} s / {metric.leave_seconds:g} s | {metric.settles_seconds:g} s "
        f"| {f'{metric.peer_factor:g} times' if metric.peer_factor else ''} |"
        for metric in catalog.METRICS.values()
    ]
    return "\n".join([_METRIC_TYPES, *rows, ""])


def limit_rows() -> list[str]:
    """For ``docs/tasks/limits.md``: each metric with limits, and the TOML that says the same."""
    rows = []
    for metric in catalog.METRICS.values():
        said = {"warning": metric.warning, "critical": metric.critical}
        toml = ", ".join(f"{name} = {limit:g}" for name, limit in said.items() if limit is not None)
        if toml and metric.bad != "neither":
            rows.append(
                f"| `{metric.name}` | {metric.unit} | {_limit(metric, metric.warning)} "
                f"| {_limit(metric, metric.critical)} | `metrics.{metric.name} = {{ {toml} }}` |"
            )
    return rows


def _limit(metric: catalog.Metric, limit: float | None) -> str:
    if limit is None or metric.bad == "neither":
        return ""
    leave = metric.leave(limit)
    side = ("from", "below") if metric.bad == "high" else ("down from", "above")
    return f"{side[0]} {limit:g}, over {side[1]} {leave:g}"


def _metrics() -> str:
    rows = [f"| `{name}` | {kind} | {text} |" for name, kind, text in sorted(set(_declared()))]
    head = "## Metrics\n\nOf each service at `/metrics`; counters end in `_total` there.\n"
    return "\n".join([head, "| metric | kind | what |", "|---|---|---|", *rows, ""])


def _declared() -> Iterator[tuple[str, str, str]]:
    """Every metric that a service's code declares with a literal name."""
    for service in SERVICES:
        for path in sorted((ROOT / service.name).rglob("*.py")):
            yield from _in_file(path)


def _in_file(path: Path) -> Iterator[tuple[str, str, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        parts = node.args if isinstance(node, ast.Call) else getattr(node, "elts", [])
        names = [each.id for each in parts if isinstance(each, ast.Name)]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            names = [node.func.id]
        texts = [each.value for each in parts if isinstance(each, ast.Constant)]
        strings = [text for text in texts if isinstance(text, str)]
        kind = next((_KINDS[name] for name in names if name in _KINDS), None)
        if kind and len(strings) >= 2:
            yield strings[0], kind, strings[1]
