"""Features in, log probabilities out: a trained network, run on whole utterances or on streams in chunks.

`network.py` is the protocol that recognition knows; `torch_network.py` and `torch_stream.py` implement it, and are
the only modules outside training that import `asr.acoustic`.
"""
