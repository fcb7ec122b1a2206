"""The nats-server of a checkout: its configuration, and its users."""
