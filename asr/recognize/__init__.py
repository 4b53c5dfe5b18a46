"""Audio in, transcript out: the recogniser that people call."""
