"""The compiled beam search: one utterance's frames in, its prefixes and their probabilities out."""
