"""Checks before every route: who may ask, how often; and the counting of requests."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import math
import re
import time
from collections import OrderedDict
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.failures import Failed
from gateway.http.assets import PREFIX
from gateway.http.metrics import RequestMetrics
from gateway.settings import GatewaySettings
from spindle.text import shown

log = logging.getLogger("gateway")

OPEN = ("/healthz", "/")  #: answered without a token; the page asks for it where it asks for data
BURST_SECONDS = 2.0  # so much of the rate may come at once, as a page does that is opened
MOST_ADDRESSES = 10_000  # that the rate limit remembers
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::\d*)?")
PROBES = ("/healthz", "/readyz", "/metrics")  #: not counted against an address: machines ask them


class Watched:
    """The outermost layer: counts and times every request, and logs a fault."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started, status = time.perf_counter(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                route = _route(scope)
                self._metrics.requests.labels(route, str(status)).inc()
                self._metrics.seconds.labels(route).observe(time.perf_counter() - started)
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:  # the routes have answered it with 500; here it is told
            log.error("%s: %s: %s", _route(scope), type(error).__name__, error, exc_info=True)


def _route(scope: Scope) -> str:
    """The route as it is declared: a label must not be the client's to choose."""
    return str(getattr(scope.get("route"), "path", "")) or "none"


class Guard:
    """Rate, token, host and origin: answers 400, 401, 403 and 429 itself."""

    def __init__(self, app: ASGIApp, settings: GatewaySettings) -> None:
        self._app = app
        self._token = _digest(settings.gateway_token.get_secret_value())
        self._needs_token = bool(settings.gateway_token.get_secret_value())
        self._root_path = settings.gateway_root_path
        self._hosts = settings.own_hosts
        self._origins = frozenset(settings.origins)
        rate = settings.gateway_rate_per_second
        self._rate = RateLimit(rate, max(1, round(BURST_SECONDS * rate)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._check_rate(scope)
            self._check_token(scope)
            _check_framing(scope)
            self._check_host(scope)
            self._check_origin(scope)
        except Failed as failed:
            await failed.response()(scope, receive, send)
            return
        scope["path"] = self._root_path + scope["path"]  # as the routes expect it
        scope["root_path"] = self._root_path
        await self._app(scope, receive, send)

    def _check_rate(self, scope: Scope) -> None:
        address = (scope.get("client") or ("unknown",))[0]
        if scope["path"] in PROBES:
            return
        wait = self._rate.wait(address, time.monotonic())
        if wait:
            raise Failed(
                429,
                f"too many requests from {address}; try again in {math.ceil(wait)} s",
                headers={"Retry-After": str(math.ceil(wait))},
            )

    def _check_token(self, scope: Scope) -> None:
        if not self._needs_token or scope["path"] in OPEN or scope["path"].startswith(PREFIX):
            return
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        right = hmac.compare_digest(_digest(given.strip()), self._token)
        if scheme.lower() != "bearer" or not right:
            raise Failed(
                401,
                "a token is needed: send the header Authorization: Bearer <GATEWAY_TOKEN>",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def _check_host(self, scope: Scope) -> None:
        """A name that a stranger's DNS points at this machine is none of ours (DNS rebinding).

        Otherwise a page of that name would be of one origin with a gateway that asks for no token.
        """
        host = Headers(scope=scope).get("host", "")
        if self._needs_token or not host or is_safe_host(_name(host), self._hosts):
            return
        raise Failed(403, f"{shown(host)} is no name of this gateway (GATEWAY_ALLOWED_HOSTS)")

    def _check_origin(self, scope: Scope) -> None:
        """A page of another site may not write here with the help of a visitor's browser."""
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if scope["method"] != "POST" or origin is None or origin in self._origins:
            return
        if origin.partition("://")[2] != headers.get("host"):
            raise Failed(403, "a page of this origin may not ask here (GATEWAY_CORS_ORIGINS)")


def _check_framing(scope: Scope) -> None:
    """Whoever stands before the gateway may take the other of two lengths for the true one."""
    headers = Headers(scope=scope)
    if "content-length" in headers and "transfer-encoding" in headers:
        raise Failed(
            400,
            "a request has either Content-Length or Transfer-Encoding, not both",
            headers={"Connection": "close"},
        )


def _name(host: str) -> str:
    """The header Host without its port, and without the brackets of an IPv6 address.

    What is no name with a port, or without, stays as it is and is nobody's.
    """
    if found := _HOST.fullmatch(host):
        return (found[1] or found[2]).lower().rstrip(".")
    return f".{host}"


def is_safe_host(name: str, own: Collection[str]) -> bool:
    """Whether no stranger's DNS can make this name mean this machine. Pure.

    Addresses are not looked up, and names without a dot (``localhost``, a container's) are not
    strangers' to give.

    :param own: names that the settings vouch for.
    """
    if "." not in name or name in own or name.endswith((".localhost", ".internal")):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _digest(token: str) -> bytes:
    """Tokens are compared by digests of one length, so that time tells nothing of theirs."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


class RateLimit:
    """A token bucket per client address; the least recently seen is forgotten.

    :param per_second: tokens that come back; 0 for no limit at all.
    :param burst: tokens of a full bucket.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, as of when

    def wait(self, address: str, now: float) -> float:
        """Seconds until the address may ask again; 0 when it may now, which takes a token.

        :param now: seconds on a clock that does not step.
        """
        if not self._per_second:
            return 0.0
        tokens, since = self._buckets.pop(address, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._per_second)
        allowed = tokens >= 1
        self._buckets[address] = (tokens - allowed, now)
        if len(self._buckets) > MOST_ADDRESSES:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) / self._per_second
