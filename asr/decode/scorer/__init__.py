"""Text knowledge for the beam search: lexicon, language model and hot words in, one scorer out."""
