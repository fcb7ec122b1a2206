"""Whom to tell of devices in trouble, and when; the descriptions are the manual."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, field_validator

from client.notify.quiet_hours import QuietHours, time_of
from spindle.settings import Settings


class NotifySettings(Settings):
    """Settings of the notifier, part of the client's."""

    notify_urls: SecretStr = Field(
        SecretStr(""),
        description="Whom to tell of devices in trouble, as addresses of apprise, with blanks or "
        "line breaks between them: mailto://user:password@smtp.example.com?to=me@example.com, "
        "ntfy://topic, slack://..., json://host/path; empty for nobody.",
    )
    notify_least: Literal["warning", "critical"] = Field(
        "warning", description="Least state that people are told of; critical for less."
    )
    notify_quiet_hours: str = Field(
        "",
        description="When people are told of nothing but what is critical, such as 22:00-07:00 of "
        "this machine's time zone; the rest is told at their end. Empty for never.",
    )
    notify_digest_at: str = Field(
        "",
        description="When people are told every day how the fleet is, such as 08:30; empty for "
        "never.",
    )
    notify_page_url: str = Field(
        "http://127.0.0.1:5000",
        description="The page's address as people reach it, for links, such as "
        "https://storage.example.com/spindle. ./run.sh start sets it to the gateway's own address "
        "where it is not set.",
    )

    def notify_addresses(self) -> list[str]:
        """The addresses of NOTIFY_URLS."""
        return self.notify_urls.get_secret_value().split()

    @field_validator("notify_urls")
    @classmethod
    def _known_addresses(cls, value: SecretStr) -> SecretStr:
        if urls := value.get_secret_value().split():
            from client.notify.addresses import addresses  # noqa: PLC0415 - slow to import

            addresses(urls)
        return value

    @field_validator("notify_quiet_hours")
    @classmethod
    def _two_times(cls, value: str) -> str:
        QuietHours.parse(value)
        return value

    @field_validator("notify_digest_at")
    @classmethod
    def _a_time(cls, value: str) -> str:
        if value.strip():
            time_of(value)
        return value
