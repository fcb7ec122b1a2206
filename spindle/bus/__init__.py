"""NATS: connect and stay connected; declare streams, consumers and buckets."""

from spindle.bus.connection import NO_ROOM, close, connect, declare, no_room

__all__ = ["NO_ROOM", "close", "connect", "declare", "no_room"]
