"""What every service runs in: signals, exit codes, health, logs, tasks."""
