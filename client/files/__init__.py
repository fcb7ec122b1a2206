"""The two files that the client writes: ``client_output.log`` and ``parking_summary.csv``."""
