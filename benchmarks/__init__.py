"""Measurements as ratios within one run: ours beside the limit on the same machine."""
