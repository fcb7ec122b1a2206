"""``python -m local``."""

from local.interrupt import run

if __name__ == "__main__":
    run("local.cli")
