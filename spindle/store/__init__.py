"""Where readings are kept: one protocol (``base``), a folder for each store (``registry``)."""
