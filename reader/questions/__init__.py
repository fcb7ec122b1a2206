"""What can be asked: one file per subject, its parameters, handler and rows together."""
