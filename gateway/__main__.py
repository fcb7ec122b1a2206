"""``python -m gateway``: Spindle over HTTP."""

import sys

from gateway.main import PARTS, main
from gateway.settings import GatewaySettings
from spindle.service.run import run

run(
    "gateway", GatewaySettings, main, PARTS, arguments=sys.argv[1:]
)  # it answers /healthz and /metrics itself
