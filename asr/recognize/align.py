"""A recording of any length and its text in, a transcript with the times of the words out.

The text is normalised for the model; the transcript keeps the words as written, with
capitals and punctuation.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from asr.alignment import align_stream
from asr.config import NormalizerSettings
from asr.decode.word_ends import pool_word_ends
from asr.errors import AlignmentError, TextError
from asr.recognize.confidence import Evidence, frame_entropies
from asr.recognize.options import add_oov_words
from asr.recognize.recognizer import Recognizer
from asr.recognize.runner import BLOCK_SECONDS, NetworkRunner
from asr.recognize.words import find_words, segment_words
from asr.runtime.network import LogProbs
from asr.signal.audio import AudioSource, name_of, stream_audio
from asr.signal.channels import Channel
from asr.signal.loudness import Loudness, measure_loudness
from asr.signal.resample import Waveform
from asr.text.normalize import normalize
from asr.text.tokenizer import Tokenizer, group_tokens
from asr.transcript.transcript import Transcript, Word


class WrittenWord(NamedTuple):
    """A written word and the words that are spoken for it: `7:30` is "seven thirty"."""

    text: str
    spoken: tuple[str, ...]


def align_text(recognizer: Recognizer, source: AudioSource, text: str, *, channel: Channel = "mix") -> Transcript:
    """Find when each word of a given text was said.

    If the model is calibrated, words have confidences; a low one means that something else may have been said.
    Memory does not grow with the recording, except for the result and the loudness, 100 numbers per second.

    Args:
        recognizer: A model; how it decodes does not matter.
        source: The recording: a path, a file object, or (array, sample_rate).
        text: Everything that is said in it.
        channel: The channel in which it is said, from 0, instead of the mean of all.

    Raises:
        AudioError: If the recording cannot be read.
        TextError: If the text holds no word, or the alphabet cannot encode it.
        AlignmentError: If the text does not fit the recording.
    """
    written = pair_words(text, recognizer.settings.normalizer)
    tokenizer, tokens = encode_spoken(written, recognizer.tokenizer)
    warnings: list[str] = []
    blocks = stream_audio(
        source,
        block_seconds=BLOCK_SECONDS,
        sample_rate=recognizer.sample_rate,
        channel=channel,
        on_warning=warnings.append,
    )
    frames = MeasuredFrames(recognizer.runner, blocks)
    try:
        alignment = align_stream((pool_word_ends(log_probs, tokenizer.word_ends) for log_probs in frames), tokens)
    except AlignmentError as error:
        raise AlignmentError(f"{name_of(source) or 'audio'}: {error}") from None
    decoder, loudness = recognizer.decoder, np.concatenate([np.empty(0), *frames.loudness])
    spoken = find_words(
        alignment,
        tokens,
        tokenizer,
        decoder.timing,
        loudness=loudness,
        confidence=decoder.confidence,
        # Nothing else was searched for, so the text has all of the probability.
        evidence=Evidence(entropy=frames.entropy, posteriors=np.ones(len(group_tokens(tokens, tokenizer)))),
    )
    words = join_spoken(written, spoken)
    transcript = Transcript(
        text=" ".join(word.text for word in words),
        duration=frames.num_samples / recognizer.sample_rate,
        source=name_of(source),
        segments=segment_words(words),
        warnings=tuple(warnings),
    )
    return transcript if channel == "mix" else transcript.of_channel(channel)


class MeasuredFrames:
    """Yields the log probabilities (T, V) of a recording's segments, and measures the recording meanwhile."""

    def __init__(self, runner: NetworkRunner, blocks: Iterable[Waveform]) -> None:
        self._runner = runner
        self._blocks = blocks  # (S,) samples each, in whole 10 ms except for the last
        self.num_samples = 0  # of the blocks so far
        self.loudness: list[Loudness] = []  # of the blocks so far
        self._num_spoken, self._entropy = 0, 0.0  # frames other than blanks so far, and the sum of their entropies

    def __iter__(self) -> Iterator[LogProbs]:
        num_frames = 0
        for segment, log_probs in self._runner.run_segments(self._runner.split(self._measure())):
            # If windows are long, a segment has too few samples for its last frame, which holds no speech.
            missing = segment.first_frame - num_frames
            num_frames = segment.first_frame + len(log_probs)
            entropies = frame_entropies(log_probs)
            self._num_spoken, self._entropy = self._num_spoken + len(entropies), self._entropy + float(entropies.sum())
            yield np.pad(log_probs, ((missing, 0), (0, 0)), mode="edge") if missing else log_probs

    @property
    def entropy(self) -> float:
        """As of `measure_entropy`, of the recording so far."""
        return self._entropy / max(1, self._num_spoken)

    def _measure(self) -> Iterator[Waveform]:
        for block in self._blocks:
            self.num_samples += len(block)
            self.loudness.append(measure_loudness(block, self._runner.sample_rate))
            yield block


def pair_words(text: str, settings: NormalizerSettings) -> list[WrittenWord]:
    """Pair the written words of a text with the words that are spoken for them.

    A punctuation mark that stands alone joins the word before it. If a line is normalised differently as a whole
    than word by word (`5 %`), its spoken words are also its written ones.
    """
    words: list[WrittenWord] = []
    for line in text.splitlines():
        spoken = normalize(line, settings).split()
        pairs = [WrittenWord(word, tuple(normalize(word, settings).split())) for word in line.split()]
        if [word for pair in pairs for word in pair.spoken] != spoken:
            pairs = [WrittenWord(word, (word,)) for word in spoken]
        for pair in pairs:
            if pair.spoken or not words:
                words.append(pair)
            else:
                words[-1] = words[-1]._replace(text=f"{words[-1].text} {pair.text}")
    return [word for word in words if word.spoken]


def encode_spoken(words: Sequence[WrittenWord], tokenizer: Tokenizer) -> tuple[Tokenizer, list[int]]:
    """Encode the spoken words; return also a tokenizer that knows all of them.

    Raises:
        TextError: If there is no word, or the alphabet cannot encode one.
    """
    spoken = [word for written in words for word in written.spoken]
    if not spoken:
        raise TextError("there is no word in the text, so there is nothing to align")
    tokenizer = add_oov_words(tokenizer, spoken)
    for word in dict.fromkeys(spoken):
        tokenizer.encode(word)  # so that an error names the word rather than the whole text
    return tokenizer, tokenizer.encode(" ".join(spoken))


def join_spoken(written: Sequence[WrittenWord], spoken: Sequence[Word]) -> list[Word]:
    """Return the written words with the times of their spoken words and the lowest of their confidences."""
    words, first = [], 0
    for text, spoken_texts in written:
        group = spoken[first : first + len(spoken_texts)]
        confidences = [word.confidence for word in group if word.confidence is not None]
        words.append(Word(text, group[0].start, group[-1].end, min(confidences, default=None)))
        first += len(spoken_texts)
    return words
