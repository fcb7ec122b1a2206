"""Where InfluxDB answers, and one request to it."""

from __future__ import annotations

import re
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import orjson
import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, SSLError
from urllib3.exceptions import TimeoutError as HTTPTimeoutError

from spindle import tls
from spindle.errors import StoreDenied, StoreUnavailable
from spindle.store.influxdb import answers
from spindle.store.registry import StoreSettings

CONNECTIONS = 16  # kept open: as many as there are threads that use them


@dataclass(frozen=True, slots=True)
class Address:
    """``influxdb://[user:password@]host:port/[prefix/]database``; ``repr`` hides secrets.

    :ivar base: ``http://host:port``, and the path under which a proxy has InfluxDB.
    :ivar token: for 2.x and 3.x: INFLUXDB_TOKEN, else the password in the URL.
    """

    base: str
    database: str
    org: str
    user: str = field(repr=False)
    password: str = field(repr=False)
    token: str = field(repr=False)

    @classmethod
    def of(cls, settings: StoreSettings) -> Address:
        url = urlsplit(settings.store)
        secure = url.scheme in ("https", "influxdb+https")
        host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
        default_port = 443 if url.scheme == "https" else 8086
        named = unquote(url.password or "")
        # A token is of ASCII; a password of 1.x may be anything.
        named_token = named if re.fullmatch("[!-~]*", named) else ""
        *prefix, database = url.path.strip("/").split("/")
        path = "".join(f"/{part}" for part in prefix)
        return cls(
            base=f"{'https' if secure else 'http'}://{host}:{url.port or default_port}{path}",
            database=unquote(database) or settings.influxdb_bucket,
            org=settings.influxdb_org,
            user=unquote(url.username or "") or settings.influxdb_init_username,
            password=named or settings.influxdb_init_password.get_secret_value(),
            token=settings.influxdb_token.get_secret_value() or named_token,
        )

    def basic(self) -> dict[str, str]:
        """Basic authentication, as 1.x takes it (and ignores it where it asks for none)."""
        pair = b64encode(f"{self.user}:{self.password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}

    def bearer(self, scheme: str) -> dict[str, str]:
        """``Token`` (2.x) or ``Bearer`` (3.x) authentication; nothing without a token."""
        return {"Authorization": f"{scheme} {self.token}"} if self.token else {}


@dataclass(frozen=True, slots=True)
class Answer:
    """``body`` as it came; ``headers`` are looked up without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise answers.NotJson("InfluxDB's answer is not JSON: is STORE_URL right?") from None


class Http:
    """A pool of connections, safe to use from several threads. It never retries: callers do.

    :param tls_ca: PEM file of the authority that the certificate has to be of; empty: the system's.
    """

    def __init__(self, base: str, timeout_seconds: float, tls_ca: str = "") -> None:
        self.base = base
        self._timeout = timeout_seconds
        self._pool = urllib3.PoolManager(
            maxsize=CONNECTIONS,
            retries=False,
            timeout=urllib3.Timeout(total=timeout_seconds),
            ssl_context=tls.context(tls_ca) if base.startswith("https:") else None,
        )

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; the answer, whatever its status.

        :raises StoreUnavailable: no connection, or no answer in time.
        :raises StoreDenied: the certificate is not trusted.
        """
        url = f"{self.base}{path}" + (f"?{urlencode(query)}" if query else "")
        with connection_errors(self.base, self._timeout):
            got = self._pool.request(
                method, url, body=body, headers=dict(headers or {}), redirect=False
            )
        return Answer(got.status, got.headers, got.data)

    def close(self) -> None:
        self._pool.clear()


def checked(answer: Answer) -> Answer:
    """The same answer, if its status is 2xx.

    :raises StoreError: any other status, as ``answers.meaning`` translates it.
    """
    if 200 <= answer.status < 300:
        return answer
    raise answers.meaning(answer.status, answer.headers, answer.body, datetime.now(UTC))


@contextmanager
def connection_errors(base: str, timeout_seconds: float) -> Iterator[None]:
    """urllib3's exceptions as ours. Their texts are not repeated: they may hold the whole URL."""
    try:
        yield
    except NewConnectionError as error:  # refused, say; urllib3 counts it among the time-outs
        raise StoreUnavailable(f"InfluxDB at {base} is away: {_reason(error)}") from None
    except HTTPTimeoutError:
        raise StoreUnavailable(
            f"InfluxDB at {base} did not answer within {timeout_seconds:g} s"
        ) from None
    except (SSLError, ssl.SSLError) as error:
        reason = tls.fault(_innermost(error)) or f"TLS failed ({_reason(error)})"
        hint = "; INFLUXDB_TLS_CA may name it" if "no authority" in reason else ""
        raise StoreDenied(f"InfluxDB at {base}: {reason}{hint}") from None
    except (HTTPError, OSError) as error:
        raise StoreUnavailable(f"InfluxDB at {base} is away: {_reason(error)}") from None


def _innermost(error: BaseException) -> BaseException:
    """The first cause; urllib3 hands it on as an argument."""
    inner = error.args[0] if error.args else None
    return _innermost(inner) if isinstance(inner, BaseException) else error


def _reason(error: BaseException) -> str:
    """The innermost system error's text, or the kind of error."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        inner = inner.__cause__ or inner.__context__
    return type(error).__name__
