"""Takes requests from NATS and gives replies: parameters checked, number and time bounded."""
