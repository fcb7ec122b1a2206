"""Is a device well? Pure: readings, events and findings in, verdicts with reasons out."""
