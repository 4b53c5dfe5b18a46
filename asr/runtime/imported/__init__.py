"""Networks that other programs trained: their graph in use, streams through it, and both behind `Network`."""
