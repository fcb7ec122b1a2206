"""Whom to tell: apprise's addresses, one outbox for each, so that one that is down delays no other.

apprise (https://github.com/caronc/apprise/wiki) knows mail, Slack, ntfy, Teams, webhooks and some
hundred services more; what stands here is only what a failure of one of them means.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from urllib.parse import urlsplit

import apprise

from client.notify.message import Message

_TYPES = {
    "failure": apprise.NotifyType.FAILURE,
    "warning": apprise.NotifyType.WARNING,
    "success": apprise.NotifyType.SUCCESS,
    "info": apprise.NotifyType.INFO,
}


class Address:
    """One address of NOTIFY_URLS.

    :ivar name: of it, without secrets.
    :raises ValueError: apprise does not know its kind.
    """

    def __init__(self, url: str) -> None:
        self._service = apprise.Apprise()
        if not self._service.add(url):
            kind = urlsplit(url).scheme
            named = f"{kind}://" if kind else "it"
            raise ValueError(
                f"{named} is no address that can be told anything, or it lacks something; "
                "see https://github.com/caronc/apprise/wiki for what there is"
            )
        self.name = str(self._service[0].url(privacy=True)).partition("?")[0]

    def send(self, message: Message) -> str:
        """Send it, which may take seconds; empty, or why that failed."""
        with apprise.LogCapture(level=apprise.logging.INFO, fmt="%(message)s") as said:
            done = self._service.notify(
                title=message.title,
                body=message.body,
                notify_type=_TYPES[message.kind],
                body_format=apprise.NotifyFormat.TEXT,
            )
            lines = [line for line in said.getvalue().splitlines() if line.strip()]
        return "" if done else (lines[-1] if lines else "it was refused")


def addresses(urls: Sequence[str]) -> list[Address]:
    """:raises ValueError: one of them is none; what it says holds no secret."""
    logging.getLogger("apprise").propagate = False  # its lines may hold what is secret
    return [Address(url) for url in urls]
