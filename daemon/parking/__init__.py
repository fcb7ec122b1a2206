"""The source ``parking``: a car park that does not exist."""
