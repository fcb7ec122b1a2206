"""Entries and exits matched to visits."""
