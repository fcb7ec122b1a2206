"""The kernel: what every Spindle service shares, and nothing that only one of them needs."""

__version__ = "0.1.0"
