"""The daemon: reads devices, real and simulated, and publishes what they say."""
