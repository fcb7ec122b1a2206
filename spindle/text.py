"""Text of others, made fit to be shown to people."""

from __future__ import annotations

_SHOWN = 60  # characters of a wrong value that an error repeats


def printable(text: str) -> str:
    """The text with a space for each character that could steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def shown(value: object) -> str:
    """A wrong value as an error repeats it: quoted, in ASCII, on one line, cut short."""
    text = ascii(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
