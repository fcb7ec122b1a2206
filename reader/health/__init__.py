"""Is a device well? Readings, events and findings in, judged units with their reasons out."""
