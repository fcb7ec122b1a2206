"""NATS: connect and stay connected; declare streams, consumers and buckets."""

from spindle.bus.connection import Password, Way, close, connect
from spindle.bus.declaration import NO_ROOM, declare, no_room
from spindle.bus.listener import listening

__all__ = ["NO_ROOM", "Password", "Way", "close", "connect", "declare", "listening", "no_room"]
