"""``python -m local``."""

import gc
import sys

from local.interrupt import run

#: Verbs that are the client's own commands, and ask as the client does.
ASKING = ("query", "health", "top", "plot", "devices", "acknowledge", "audit")

if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in ASKING:
        gc.disable()  # looking for cycles is a tenth of what loading takes
        run("local.quick_query")
    else:
        run("local.cli")
