"""Live streams: samples in as they arrive, committed and provisional text out.

recognizer.py    StreamingRecognizer for one stream, MultiStreamRecognizer for many that share a network
stream.py        one stream: the current utterance, its partial text, and the utterances that have ended
endpoints.py     where an utterance ends
partial_text.py  log probabilities in, committed and provisional tokens out: greedy or beam search
"""
