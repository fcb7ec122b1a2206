"""The page at ``/``: its files, read once, under an address that changes when any of them does."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from html import escape
from pathlib import Path

import orjson
from starlette.responses import Response

from gateway.failures import JSON, Failed
from spindle import advice, catalog
from spindle.text import shown

PREFIX = "/page/"  #: of everything but the page itself; holds no data, so it needs no token
_FOLDER = Path(__file__).parents[1] / "page"
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": JSON,
    ".svg": "image/svg+xml",
}
#: Nothing from another machine, no script or style but these files, and no foreign frame around it.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Assets:
    """The page's files in memory (some 100 kB).

    :param root_path: prefix under which a proxy shows the gateway; empty for none.
    :param grafana_url: where Grafana is; empty for none.
    """

    def __init__(self, root_path: str, grafana_url: str = "") -> None:
        self._files = {
            path.relative_to(_FOLDER).as_posix(): path.read_bytes()
            for path in sorted(_FOLDER.rglob("*"))
            if path.suffix in _TYPES
        }
        limits = {name: asdict(metric) for name, metric in catalog.METRICS.items()}
        self._files["catalogue.json"] = orjson.dumps(limits)  # limits are drawn as lines
        self._files["advice.json"] = orjson.dumps({**advice.ADVICE, "unknown": advice.UNKNOWN})
        whole = hashlib.sha256()
        for name, content in self._files.items():
            whole.update(name.encode() + hashlib.sha256(content).digest())
        self._version = whole.hexdigest()[:16]
        page = self._files.pop("index.html").decode()
        page = page.replace("@ASSETS@", PREFIX.strip("/") + "/" + self._version)
        page = page.replace("@GRAFANA@", escape(grafana_url.rstrip("/")))
        self._page = page.replace("@ROOT@", escape(root_path)).encode()

    def page(self) -> Response:
        """The page itself; it names the present version of its files, so it is asked for anew."""
        return _sent(self._page, ".html", "no-cache")

    def file(self, version: str, name: str) -> Response:
        """One of its files, which a browser may keep for good.

        :raises Failed: 404 there is no such file, or no longer in that version.
        """
        if version != self._version or name not in self._files:
            raise Failed(404, f"there is no {shown(PREFIX + version + '/' + name)}; load / again")
        kept = "public, max-age=31536000, immutable"
        return _sent(self._files[name], Path(name).suffix, kept)


def _sent(content: bytes, suffix: str, cache: str) -> Response:
    return Response(
        content, headers={**_HEADERS, "Cache-Control": cache}, media_type=_TYPES[suffix]
    )
