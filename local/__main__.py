"""``python -m local``."""

import gc
import sys

from local.interrupt import run

if __name__ == "__main__":
    if sys.argv[1:2] == ["query"]:
        gc.disable()  # it ends soon, and looking for cycles is a tenth of what loading takes
        run("local.quick_query")
    else:
        run("local.cli")
