"""Following the stream: every series scored as its readings arrive, shared among the readers."""
