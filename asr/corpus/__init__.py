"""Corpora in, lhotse cuts out: preparing, checking and loading transcribed speech.

Reading order:

    cuts               what a corpus consists of: utterances, lhotse cuts, manifest files
    prepare            a corpus as published in, manifests out; picks one of the four readers
    an4, kaldi, table  the layouts that are read here
    lhotse_recipes     all other corpora that lhotse can read
    doctor             which utterances cannot be used, and why
"""
