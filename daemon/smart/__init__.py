"""The source ``smart``: what drives say of themselves, through smartctl."""
