"""The compiled beam search: the frames of one utterance in, its prefixes and their probabilities out."""
