"""n-gram language models: estimated, read, written, interpolated, pruned and queried."""
