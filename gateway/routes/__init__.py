"""What can be asked over HTTP, and the document that says so."""
