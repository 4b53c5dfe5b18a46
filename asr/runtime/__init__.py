"""Features in, log probabilities out: a trained network, run on whole utterances or on streams in chunks.

network.py           the protocol that recognition knows
onnx_network.py      on the CPU, by ONNX Runtime: whole utterances, and streams in onnx_stream.py
language_network.py  recurrent language models: tokens in, log probabilities of the next tokens out
acoustic_graph.py    the graph of the acoustic model, built with graph.py
torch_network.py     on a GPU, by torch: whole utterances, and streams in torch_stream.py

The torch_*.py are the only modules outside training that import `asr.acoustic`; recognition imports them when it is
asked for a GPU.
"""
