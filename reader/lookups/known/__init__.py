"""What is known without asking: from the stream, from the watch. No I/O, no clock."""
