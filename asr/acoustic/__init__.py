"""Features in, log probabilities out: the recurrent network and the CTC loss."""
