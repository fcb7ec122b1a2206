"""``python -m reader``: answer questions over NATS."""

import sys

from reader.service import PARTS, main
from reader.settings import ReaderSettings
from spindle.service import run

run("reader", ReaderSettings, main, PARTS, lambda settings: settings.reader_http_port, sys.argv[1:])
