"""Words in, token ids out, and back. Knows nothing of sound or networks. Read in this order:

normalize.py, numbers.py  transcripts as they were written -> plain words
written/                  plain words -> numbers, dates and abbreviations as people write them (English)
tokenizer.py              plain words -> token ids, and back: characters, words, subwords
lexicon.py, phones.py     how words are pronounced; the tokenizer that comes of it
pronunciations.py         the pronunciations of many words in few arrays
load.py                   settings or a model folder -> the tokenizer
"""
