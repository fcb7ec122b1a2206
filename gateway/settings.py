"""The gateway's settings; the descriptions are the manual."""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Mapping
from typing import ClassVar, Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from spindle import tls
from spindle.settings import Settings


class GatewaySettings(Settings):
    """What the gateway needs beyond the shared settings."""

    REMOVED: ClassVar[Mapping[str, str]] = {
        "GATEWAY_BODY_TIMEOUT_SECONDS": "10 seconds, always",
        "GATEWAY_PUBLISH_TIMEOUT_SECONDS": "5 seconds, always",
        "GATEWAY_QUERY_TIMEOUT_SECONDS": "10 seconds, always",
        "GATEWAY_IDEMPOTENCY_HOURS": "24 hours, always",
        "GATEWAY_STREAMS_MAX": "100 clients, always",
        "GATEWAY_STREAM_QUEUE": "256 messages, always",
        "GATEWAY_STREAM_HEARTBEAT_SECONDS": "15 seconds, always",
        "GATEWAY_RATE_BURST": "what GATEWAY_RATE_PER_SECOND allows in two seconds",
        "GATEWAY_MAX_BODY_BYTES": "65536 bytes, always",
    }

    gateway_http_port: int = Field(
        5000, ge=1, le=65535, description="Port on which the gateway answers everything."
    )
    gateway_host: str = Field(
        "", description="Address on which the gateway listens; empty for HTTP_HOST."
    )
    gateway_published_host: str = Field(
        "",
        description="Address on which others reach the gateway where that is not the one it "
        "listens on (a container's published port); decides whether a token is needed.",
    )
    gateway_allow_anonymous: bool = Field(
        False,
        description="Let the gateway listen for other machines though GATEWAY_TOKEN is empty.",
    )
    gateway_token: SecretStr = Field(
        SecretStr(""),
        validate_default=True,
        description="Token that every request must bring, but for /healthz and the page itself, "
        'which asks for it ("Authorization: Bearer <token>"); empty for none.',
    )
    gateway_cors_origins: str = Field(
        "",
        description="Origins whose pages may ask the gateway from a browser, separated by commas, "
        "such as https://status.example.com; empty for none.",
    )
    gateway_allowed_hosts: str = Field(
        "",
        description="Names, separated by commas, by which others reach a gateway without a token, "
        "such as status.example.com; addresses, localhost and names without a dot always do.",
    )
    gateway_root_path: str = Field(
        "",
        description="Path under which a proxy shows the gateway, such as /spindle; empty for none.",
    )
    gateway_grafana_url: str = Field(
        "",
        pattern=r"^$|^https?://[^/\s]",
        description="Grafana's address as people reach it, such as http://127.0.0.1:3000, for a "
        "link from each device's page to its dashboard; empty for none.",
    )
    gateway_trusted_proxies: str = Field(
        "",
        description="Addresses or networks of proxies, separated by commas, whose "
        "X-Forwarded-For and X-Forwarded-Proto are believed; empty for none.",
    )
    gateway_tls_cert: str = Field(
        "", description="Certificate (PEM) of the gateway; with it, it speaks HTTPS alone."
    )
    gateway_tls_key: str = Field("", description="Key (PEM) of GATEWAY_TLS_CERT.")
    gateway_rate_per_second: float = Field(
        500.0,
        ge=0,
        description="Requests a second that one client address may make in the long run, twice as "
        "many at once; 0 for no limit.",
    )

    @field_validator("gateway_cors_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        for origin in _listed(value):
            scheme, _, rest = origin.partition("://")
            if scheme not in ("http", "https") or not rest or "/" in rest or "*" in rest:
                raise ValueError("expected origins such as https://status.example.com")
        return value

    @field_validator("gateway_root_path")
    @classmethod
    def _is_a_prefix(cls, value: str) -> str:
        path = value.rstrip("/")
        if path and (not path.startswith("/") or "//" in path or not path.isascii()):
            raise ValueError("expected a path such as /spindle")
        return path

    @field_validator("gateway_trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for each in _listed(value):
            try:
                ipaddress.ip_network(each, strict=False)
            except ValueError:
                raise ValueError("expected addresses or networks such as 10.0.0.0/8") from None
        return value

    @field_validator("gateway_tls_cert", "gateway_tls_key")
    @classmethod
    def _can_be_read(cls, value: str) -> str:
        if value and not os.access(value, os.R_OK):
            raise ValueError("expected the path of a file that can be read")
        return value

    @model_validator(mode="after")
    def _cert_and_key(self) -> Self:
        if bool(self.gateway_tls_cert) != bool(self.gateway_tls_key):
            raise ValueError("GATEWAY_TLS_CERT and GATEWAY_TLS_KEY: set both or neither")
        if self.gateway_tls_cert:
            try:
                tls.load_own(self.gateway_tls_cert, self.gateway_tls_key)
            except (ssl.SSLError, OSError):
                raise ValueError(
                    "GATEWAY_TLS_CERT and GATEWAY_TLS_KEY: expected a certificate and its own key, "
                    "both PEM and the key without a pass phrase"
                ) from None
        return self

    @field_validator("gateway_token")
    @classmethod
    def _not_open_to_the_world(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        token, known = value.get_secret_value(), info.data
        if not token.isascii() or not token.isprintable() or " " in token:
            raise ValueError("expected printable ASCII characters without spaces")
        where = (
            known.get("gateway_published_host")
            or known.get("gateway_host")
            or known.get("http_host", "")
        )
        if token or known.get("gateway_allow_anonymous") or _loopback(where):
            return value
        raise ValueError(
            f"empty, and the gateway would answer anybody on {where}; set a token, or "
            "GATEWAY_HOST=127.0.0.1, or GATEWAY_ALLOW_ANONYMOUS=true if that is what you want"
        )

    @property
    def host(self) -> str:
        """Where to listen."""
        return self.gateway_host or self.http_host

    @property
    def own_hosts(self) -> frozenset[str]:
        """The names under which this gateway is reached, in lower case."""
        told = (self.gateway_host, self.gateway_published_host, self.http_host)
        pages = (origin.partition("://")[2].partition(":")[0] for origin in self.origins)
        names = (*told, *pages, *_listed(self.gateway_allowed_hosts))
        return frozenset(name.lower() for name in names if name)

    @property
    def trusted_proxies(self) -> list[str]:
        """GATEWAY_TRUSTED_PROXIES, one by one."""
        return _listed(self.gateway_trusted_proxies)

    @property
    def origins(self) -> list[str]:
        """GATEWAY_CORS_ORIGINS, one by one."""
        return _listed(self.gateway_cors_origins)


def _listed(value: str) -> list[str]:
    return [each.strip() for each in value.split(",") if each.strip()]


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
