"""Corpus in, model out: corpora, batches, the training loop, checkpoints, diagnosis."""
