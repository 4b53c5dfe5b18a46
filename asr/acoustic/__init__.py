"""The acoustic model in torch: features in, log probabilities of tokens out; and its losses. Read in this order:

model      the network: convolutions, recurrent blocks, CTC head
rnn        a recurrent layer over padded batches, in one direction or two
chunks     utterances divided as streams divide them, for training
ctc        the CTC loss, and a term that regularises it
ctc_crf    the denominator that makes CTC a conditional random field, and its trigrams of tokens
"""
