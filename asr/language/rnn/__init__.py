"""Recurrent language models. Read in this order:

network.py      token ids -> logits of the next tokens
model.py        a network with its alphabet: text -> log probabilities
bptt.py         text -> batches for truncated back-propagation through time
likelihood.py   a text -> how well a model predicts it
prompt.py       a person's text -> the tokens to continue from
generate.py     a prompt -> text in the model's style
complete.py     a text -> the most probable next words
folder.py       models on disk
"""
