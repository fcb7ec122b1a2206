"""The way of a point measured: NATS, the writer, the store, beside their limits."""
