"""``python -m daemon``: read devices and publish what they say."""

import sys

from daemon.main import PARTS, main
from daemon.settings import DaemonSettings
from spindle.service.run import run

run("daemon", DaemonSettings, main, PARTS, lambda settings: settings.daemon_http_port, sys.argv[1:])
