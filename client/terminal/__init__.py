"""Spindle on a terminal: ``top``, ``tap``, ``plot`` and ``health``."""
