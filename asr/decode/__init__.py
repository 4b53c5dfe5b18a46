"""Decoding: log probabilities in, hypotheses out. Scores are natural logs. Knows nothing of audio;
only scorer/rnn.py knows a network (a recurrent language model).

`BeamDecoder` (decoder.py) searches whole utterances in batches (batch.py), or streams (stream.py), by the compiled
kernel/ (begin with frame.py) under a `Scorer` that scorer/ builds (begin with build.py). Without a language model:
greedy.py. Hypotheses are reordered by rescoring.py, weights are found by tuning.py.
"""
