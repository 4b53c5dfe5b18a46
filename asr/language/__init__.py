"""What comes next in a text? Language models, and the lexicon of a text's words.

Read in this order:

    text_files.py       text files -> sentences
    ngram/              n-gram models: estimate, read, write, interpolate, prune
    rnn/                recurrent models: score, generate, complete
    load.py             a path -> the model of either kind that it holds; writes n-grams
    g2p.py              a lexicon -> pronunciations of words that it lacks
    lexicon_builder.py  a dictionary and text -> a lexicon of the text's words

Knows nothing of sound. n-gram models are estimated, mixed and pruned without loading torch.
"""
