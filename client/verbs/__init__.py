"""What a person asks or tells at the command line, one answer at a time."""
