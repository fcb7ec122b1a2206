"""The source ``host``: this machine."""
