"""Every source there is. A new one is a class and its entry here.

The list is written out, and not found by looking into folders, so that the order in which the
sources are named is somebody's choice, and an editor and import-linter see who stands on whom.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import new_class
from typing import TYPE_CHECKING

from daemon.host.source import HostSource
from daemon.parking.source import ParkingSource
from daemon.simulator.source import Simulator
from daemon.smart.source import SmartSource
from daemon.source import Source, SourceSettings

#: By name, in the order in which they are listed and read by default.
SOURCES: Mapping[str, type[Source]] = {
    source.name: source for source in (Simulator, HostSource, SmartSource, ParkingSource)
}

if TYPE_CHECKING:
    EverySourcesSettings = SourceSettings
else:
    #: The settings of all sources in one class, so that all mistakes are reported at once.
    _own = [source.settings_type for source in reversed(SOURCES.values())]
    _own = [kind for kind in _own if kind is not SourceSettings]
    EverySourcesSettings = new_class("EverySourcesSettings", (*_own, SourceSettings))
