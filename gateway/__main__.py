"""``python -m gateway``: Spindle over HTTP."""

from gateway.main import PARTS, main
from gateway.settings import GatewaySettings
from spindle.service import run

run("gateway", GatewaySettings, main, PARTS)  # it answers /healthz and /metrics itself
