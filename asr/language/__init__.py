"""What comes next in a text? Language models, and the lexicon of a text's words. Knows nothing of sound.

text_files.py       text files -> sentences
ngram/, rnn/        n-gram models, which need no torch, and recurrent models
load.py             a path -> the model of either kind that it holds; and writes n-grams
g2p.py              a lexicon -> pronunciations of words that it lacks
lexicon_builder.py  a dictionary and text -> a lexicon of the text's words
"""
