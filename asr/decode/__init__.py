"""Decoding: log probabilities in, hypotheses out. Knows nothing of audio or networks. Scores are natural logs.

In the order in which to read it:

    greedy.py            the most probable path: repeats merged, blanks dropped
    decoder.py           BeamDecoder: symbols, settings, language model and hot words in; decode, decode_batch, start
    parts.py             Hypothesis, and what streams and batches share of a decoder
    stream.py            BeamStream: feed, best, commit, fork, finish
    batch.py             whole utterances, many in one call of the compiled search
    kernel/frame.py      one frame of the search (begin here, with its drawing), compiled by numba, as all of kernel/:
        memory.py        the buffers, field by field
        expand.py        new prefixes, and pruning to the next beam
        scores.py        gains of language model, lexicon and phrases when a prefix grows by a token
        prefix_tree.py   tracing hypotheses back, and compaction
    scorer/build.py      a Scorer for the kernel (with a drawing of the lexicon), from
        word_trie.py     the alphabet of the tokens, and the lexicon as a trie
        hotwords.py      the automaton of boosted phrases
        external.py      language models that are Python objects
        rnn.py           a recurrent language model as one of these; alone in needing torch
    word_ends.py         pools the word-end symbols of phone models
    rescoring.py         reorders hypotheses with a second language model
    tuning.py            finds weights on development data
"""
