"""Recurrent language models. Read in this order:

bptt.py         text -> batches for truncated back-propagation through time
prefixes.py     lines -> the tree of what they begin with
model.py        a network with its alphabet: text -> log probabilities; its folder on disk
generate.py     a prompt -> text in the model's style
complete.py     a text -> the most probable next words

The network itself is computed by runtime/language_network.py, and trained by train/rnn_network.py.
"""
