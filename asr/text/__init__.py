"""Words in, token ids out: normalisation and tokenisation."""
