"""What every request passes: the server, the checks, the counting, streams and files."""
