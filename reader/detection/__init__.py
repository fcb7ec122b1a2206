"""The views the anomaly detector takes of one series; each is causal, bounded and pure."""
