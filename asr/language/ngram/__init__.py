"""n-gram language models with backoff. Read in this order:

model.py        a model in use: words in, log probabilities out
automaton.py    its arrays, and what compiled code does with them
counting.py     text -> counted n-grams, on disk if need be
kneser_ney.py   counted n-grams -> probabilities
interpolate.py  several models -> one, their weighted mean
prune.py        a model -> a smaller one
arpa.py         the exchange format
binary.py       a format that is mapped into memory
"""
