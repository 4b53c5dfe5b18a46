"""n-gram models with backoff. Read in this order:

model.py, automaton.py      a model in use: words in, log probabilities out; its arrays in compiled code
counting.py, kneser_ney.py  text -> counted n-grams -> probabilities
interpolate.py, prune.py    several models -> their weighted mean; a model -> a smaller one
arpa.py, binary.py          the exchange format, and one that is mapped into memory
"""
