"""What stands in buckets at NATS: followed, or read when it is asked for."""
