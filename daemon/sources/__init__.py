"""What the daemon reads: each source a small class behind ``base.Source``."""
