"""What text knowledge adds to the beam search: lexicon, language model and hotwords as one scorer."""
