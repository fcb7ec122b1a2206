"""The past from files: read, checked, and published as if it came from devices."""
