"""Takes points and events from NATS and stores them, losing none."""
