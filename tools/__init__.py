"""Programs for people and for making the repository's own files; no service needs them."""
