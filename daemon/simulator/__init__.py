"""The source ``simulator``: a fleet that does not exist."""
