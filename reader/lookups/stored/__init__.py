"""What is read from the store, shared by all who ask at once."""
