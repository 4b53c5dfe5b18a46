"""Text that grows block by block against the text of the whole utterance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.config import DecoderSettings
from asr.decode.decoder import BeamDecoder
from asr.decode.greedy import greedy_decode
from asr.recognize.streaming.partial_text import BeamPartialText, GreedyPartialText


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return (logits - np.log(np.exp(logits).sum(-1, keepdims=True))).astype(np.float32)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(1, 7))
def test_partial_text_of_the_best_path_is_that_of_the_whole_path(path: list[int], block: int):
    log_probs = log_softmax(5 * np.eye(4)[path])
    text = GreedyPartialText()
    for first in range(0, len(path), block):
        text.feed(log_probs[first : first + block])
    assert list(text.finish().tokens) == greedy_decode(log_probs[None], np.array([len(path)]))[0]


def test_partial_text_of_a_beam_is_that_of_the_whole_utterance():
    log_probs = log_softmax(2 * np.random.default_rng(0).standard_normal((300, 5)))
    decoder = BeamDecoder(["<blank>", " ", "a", "b", "c"], DecoderSettings(beam_size=16))
    text = BeamPartialText(decoder)
    committed: list[int] = []
    for part in np.split(log_probs, 30):
        text.feed(part)
        assert text.committed[: len(committed)] == committed
        committed = list(text.committed)
    assert committed
    hypotheses = decoder.decode(log_probs, nbest=4)
    result = text.finish(nbest=4)
    assert result.tokens == hypotheses[0].tokens
    assert [one.score for one in result.hypotheses[:1]] == pytest.approx([hypotheses[0].score])
    assert result.hypotheses[0].frames == hypotheses[0].frames  # committed or not
