"""What answers are made of: found in the store or the stream, shared by all who ask at once."""
