"""Log probabilities in, hypotheses out. Knows nothing of audio or networks."""
