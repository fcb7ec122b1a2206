"""The page at ``/``: what answers where. Self-contained HTML; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from gateway.catalogue import Question

_PATHS = (
    ("docs", "every path, with examples to try"),
    ("openapi.json", "the same for programs"),
    ("api/v1/devices", "the devices, and the latest readings of each"),
    ("api/v1/fleet_health", "which devices are in trouble"),
    ("api/v1/stream", "what happens now, as server-sent events"),
    ("metrics", "for Prometheus"),
    ("healthz", "which parts of the gateway work"),
    ("readyz", "whether requests may be sent here now"),
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Spindle</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto }}
td {{ padding: .15rem 1.5rem .15rem 0; vertical-align: top }}
td:first-child {{ white-space: nowrap }}
</style>
</head>
<body>
<h1>Spindle</h1>
<p>This is the HTTP gateway. Each line is a path that answers here.</p>
<table>
{paths}
</table>
<p><code>POST {root}/save_summary</code> writes a visit of the car park down,
<code>POST {root}/api/v1/query</code> takes any question as JSON.</p>
<h2>Questions</h2>
{questions}
<p>Unless they were moved, NATS answers on port 4222, its monitoring on 8222, and with Docker
Grafana on 3000 and Prometheus on 9090.</p>
</body>
</html>
"""


def page(questions: Mapping[str, Question], root_path: str) -> str:
    """The page.

    :param questions: what the reader can be asked; empty while no reader has answered.
    :param root_path: prefix under which a proxy shows the gateway; empty for none.
    """
    root = escape(root_path)
    if questions:
        rows = [(f"api/v1/{name}", each.description) for name, each in sorted(questions.items())]
        asked = f"<table>\n{_rows(root, rows)}\n</table>"
    else:
        asked = "<p>No reader has answered yet; it lists the questions.</p>"
    return _PAGE.format(root=root, paths=_rows(root, _PATHS), questions=asked)


def _rows(root: str, rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join(
        f'<tr><td><a href="{root}/{escape(path)}">/{escape(path)}</a></td>'
        f"<td>{escape(text)}</td></tr>"
        for path, text in rows
    )
