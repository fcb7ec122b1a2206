"""``python -m writer``: store what the streams hold."""

import sys

from spindle.service.run import run
from writer.main import PARTS, main
from writer.settings import WriterSettings

run("writer", WriterSettings, main, PARTS, lambda settings: settings.writer_http_port, sys.argv[1:])
