"""Text that grows block by block against the text of the whole utterance."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.config import DecoderSettings
from asr.decode.decoder import BeamDecoder
from asr.decode.greedy import greedy_decode
from asr.recognize.streaming.partial_text import BeamPartialText, GreedyPartialText


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(1, 7))
def test_partial_text_of_the_best_path_is_that_of_the_whole_path(path: list[int], block: int):
    log_probs = torch.nn.functional.one_hot(torch.tensor(path), 4).float().mul(5).log_softmax(-1)
    text = GreedyPartialText()
    for part in log_probs.split(block):
        text.feed(part)
    assert text.finish() == greedy_decode(log_probs[None].numpy(), np.array([len(path)]))[0]


def test_partial_text_of_a_beam_is_that_of_the_whole_utterance():
    torch.manual_seed(0)
    log_probs = torch.randn(300, 5).mul(2).log_softmax(-1)
    decoder = BeamDecoder(["<blank>", " ", "a", "b", "c"], DecoderSettings(beam_size=16))
    text = BeamPartialText(decoder)
    committed: list[int] = []
    for part in log_probs.split(10):
        text.feed(part)
        assert text.committed[: len(committed)] == committed
        committed = list(text.committed)
    assert committed
    assert text.finish() == list(decoder.decode(log_probs)[0].tokens)
