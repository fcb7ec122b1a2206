"""Every error Spindle raises on purpose, and the decision each one carries.

SpindleError
├── InvalidInput           a caller's mistake: one sentence, never retried
│   ├── InvalidSettings    every mistake in the environment at once; exit code 2
│   └── InvalidQuery       wrong query type or parameters; answered with code 400
├── Busy                   too much asked at once; answered with code 429
├── InUse                  what the service needs for itself alone is another's; exit code 4
├── StoreError
│   ├── StoreUnavailable   away, overloaded or timed out: retry, after ``retry_after`` if it said so
│   ├── StoreDenied        401, 403, 404: keep the batch, say so loudly, retry with pauses
│   ├── BatchRefused       some point of the batch can never be stored: halve it
│   └── BatchTooLarge      413: halve it, nothing is wrong with the points
└── BusUnavailable         NATS did not acknowledge, or has no room: keep the point, retry
"""

from __future__ import annotations

from collections.abc import Sequence


class SpindleError(Exception):
    """Base of the tree; ``str(error)`` is a sentence fit for a user."""


class InvalidInput(SpindleError):
    """Input that can never be accepted, with what was wrong and what is allowed.

    :ivar mistakes: one sentence each, where several fields were looked at; else empty.
    """

    def __init__(self, message: str, mistakes: Sequence[str] = ()) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__(message)


class InvalidSettings(InvalidInput):
    """All mistakes found in the settings."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes), mistakes)


class InvalidQuery(InvalidInput):
    """A question that cannot be answered as it was put."""


class Busy(SpindleError):
    """More was asked at once than the service takes."""


class InUse(SpindleError):
    """Something the service needs for itself alone is held by another process; exit code 4."""


class StoreError(SpindleError):
    """The store did not do what was asked."""


class StoreUnavailable(StoreError):
    """The store is away, overloaded or did not answer in time; trying again is right.

    A write that ends so may or may not have been stored: writing it again is harmless.

    :ivar retry_after: seconds the store asked to wait, or None.
    """

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class StoreDenied(StoreError):
    """Wrong credentials, or a database that is not there: a person has to act."""


class BatchRefused(StoreError):
    """The store refuses at least one point of the batch for good."""


class BatchTooLarge(StoreError):
    """The body is larger than the store accepts."""


class BusUnavailable(SpindleError):
    """NATS is away, did not acknowledge, or has no room."""
