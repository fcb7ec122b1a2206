"""The ledger end to end: what publishers had acknowledged, beside what writers dealt with.

Publishers number their points, stream by stream (``numbering``), and now and then say in the
bucket ``ledger`` which of them NATS has acknowledged. Writers note in the same bucket which numbers
and which sequences of the stream they have stored or dead-lettered (``record``), before they
acknowledge them. Who compares the two, and asks the store what it holds, knows what is missing.
"""
