"""What answers are made from: read from the store or the stream, shared by all who ask at once."""
