"""``python -m tools``."""

from local.interrupt import run

if __name__ == "__main__":
    run("tools.cli")
