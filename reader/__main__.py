"""``python -m reader``: answer questions over NATS."""

import sys

from reader.main import PARTS, main
from reader.settings import ReaderSettings
from spindle.service.run import run

run("reader", ReaderSettings, main, PARTS, lambda settings: settings.reader_http_port, sys.argv[1:])
