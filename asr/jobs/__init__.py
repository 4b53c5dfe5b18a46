"""Many recordings or texts in, files out: what commands do, without the console."""
