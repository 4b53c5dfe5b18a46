"""Corpora in, lhotse cuts out: preparing, checking and loading transcribed speech.

cuts               what a corpus consists of: utterances, lhotse cuts, manifest files
backends           what lhotse reads audio with
prepare            a corpus as published in, manifests out: by one of the readers here, or by a recipe of lhotse
an4, kaldi, table  the layouts that are read here
doctor             which utterances cannot be used, and why
feature_cache      features of utterances, kept on disk
"""
