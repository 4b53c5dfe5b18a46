"""Keyword spotting: log probabilities and phrases in, where each phrase is said out.

phrases.py     texts in, token sequences out: every pronunciation of every phrase
search.py      the compiled search: the best path through each phrase against the best path without one
confidence.py  what speaks for and against a hit in, the probability that it is right out
spotter.py     KeywordSpotter: recordings in, hits out
stream.py      the same for live audio
index.py       log probabilities of recordings in one file, for repeated searches
context.py     the words around a hit
"""
