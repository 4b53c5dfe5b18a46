"""Words in, token ids out, and back. Knows nothing of sound or networks.

Read in this order:

    normalize.py    transcripts as they were written -> plain words; numbers.py spells out digits
    tokenizer.py    plain words -> token ids, and back: characters, words, subwords; the tokens of each word
    lexicon.py      how words are pronounced
    phones.py       the tokenizer of a lexicon: phones, and a token that ends each word
    load.py         settings or a model folder -> the tokenizer
"""
