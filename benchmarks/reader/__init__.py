"""Answers measured: how long a question takes."""
