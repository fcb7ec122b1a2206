"""``python -m tools``."""

import os

from local.bootstrap import COMPLETING
from local.interrupt import run

if __name__ == "__main__":
    run("tools.completion" if COMPLETING in os.environ else "tools.cli")
