"""``python -m local``."""

import sys

from local.interrupt import run

if __name__ == "__main__":
    run("local.quick_query" if sys.argv[1:2] == ["query"] else "local.cli")
