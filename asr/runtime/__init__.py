"""Features in, log probabilities out: a trained network, run on whole utterances, in chunks, many at once."""
