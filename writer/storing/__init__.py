"""From a stream to the store, nothing lost: taken, decoded, batched, written, acknowledged."""
