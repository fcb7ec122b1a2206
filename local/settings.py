"""Settings of running Spindle: here on this machine (``LocalSettings``) and in compose."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from spindle.settings import Settings

_OF_USER = (
    "Password of user {} at NATS in compose, when NATS_AUTH=users: letters and digits, "
    "a letter first."
)


class LocalSettings(Settings):
    """What ``./run.sh`` needs to know; without Docker unless said otherwise."""

    spindle_mode: Literal["", "local", "docker"] = Field(
        "",
        description=(
            "local: processes on this machine; docker: compose. "
            "Empty: docker where a Docker engine answers, else local."
        ),
    )
    spindle_home: str = Field(
        ".spindle",
        min_length=1,
        description="Folder of everything that runs without Docker keeps: data, logs, pid files.",
    )
    spindle_venv: str = Field(
        ".venv", min_length=1, description="The virtual environment ./run.sh makes and uses."
    )
    nats_port: int = Field(
        4222, ge=1, le=65535, description="Port of NATS; NATS_URL follows it unless set itself."
    )
    nats_monitor_port: int = Field(
        8222, ge=1, le=65535, description="Port of NATS's monitoring pages."
    )
    nats_sync: Literal["always", "interval"] = Field(
        "always",
        description=(
            "When NATS syncs what it acknowledges to disk: always before the acknowledgement "
            "(survives a power cut), or at an interval of two minutes (faster)."
        ),
    )
    nats_auth: Literal["none", "users"] = Field(
        "none",
        description=(
            "users: each service signs in at NATS with a password and permissions of its own. "
            "Without Docker the passwords are made by ./run.sh start; in compose they are the "
            "settings NATS_PASSWORD_*."
        ),
    )
    start_timeout_seconds: float = Field(
        60.0, gt=0, description="How long ./run.sh start waits for every service to be healthy."
    )
    stop_timeout_seconds: int = Field(
        20, ge=1, description="How long each service may take to drain before it is killed."
    )
    log_file_max_bytes: int = Field(
        10_000_000, ge=1000, description="Size at which a log file in .spindle/logs is rotated."
    )
    log_file_backups: int = Field(
        3, ge=0, le=100, description="How many rotated files are kept of each log."
    )


class ComposeSettings(Settings):
    """What only docker-compose.yml reads."""

    bind_address: str = Field(
        "127.0.0.1", description="Address of this machine on which compose publishes every port."
    )
    influxdb_port: int = Field(8086, description="Port of InfluxDB in compose.")
    grafana_port: int = Field(3000, description="Port of Grafana in compose.")
    grafana_admin_user: str = Field("admin", description="Grafana's administrator.")
    grafana_admin_password: SecretStr = Field(
        SecretStr("admin"), description="Password of GRAFANA_ADMIN_USER."
    )
    prometheus_port: int = Field(9090, description="Port of Prometheus in compose.")
    nats_password_daemon: SecretStr = Field(SecretStr(""), description=_OF_USER.format("daemon"))
    nats_password_writer: SecretStr = Field(SecretStr(""), description=_OF_USER.format("writer"))
    nats_password_reader: SecretStr = Field(SecretStr(""), description=_OF_USER.format("reader"))
    nats_password_client: SecretStr = Field(SecretStr(""), description=_OF_USER.format("client"))
    nats_password_gateway: SecretStr = Field(SecretStr(""), description=_OF_USER.format("gateway"))
    nats_password_operator: SecretStr = Field(
        SecretStr(""), description=_OF_USER.format("operator (a person with all rights)")
    )
    prometheus_retention: str = Field(
        "30d", description="How long Prometheus keeps what it scraped."
    )
