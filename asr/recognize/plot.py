"""A recording in, a picture of how it becomes text out.

Four rows over one time axis: the words; the waveform; the log-mel features, as the network sees them; and the token
probabilities at each frame, the blank in grey, with the tokens at their aligned positions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asr.alignment import Alignment, align_tokens
from asr.atomic import atomic_write
from asr.errors import AudioError
from asr.jit import Array
from asr.recognize.align import encode_spoken, join_spoken, pair_words
from asr.recognize.recognizer import Recognizer, load_model
from asr.recognize.words import find_words
from asr.signal.audio import AudioSource, load_audio
from asr.signal.features import FeatureExtractor, mel_frequencies
from asr.signal.loudness import measure_loudness
from asr.transcript.transcript import Word

INK, BLANK_GREY, WORD_SHADES = "#24527a", "#d9d9d9", ("#dbe7f3", "#f3e6d3")
# Okabe & Ito (2008): colours that colour-blind people can distinguish, without one that is nearly white.
TOKEN_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195")
INCHES_PER_SECOND, NARROWEST, WIDEST = 3.2, 10.0, 24.0


@dataclass(frozen=True)
class Picture:
    """The contents of a picture; words and frames count from the start of the excerpt."""

    waveform: Array  # (S,)
    sample_rate: int  # Hz
    features: Array  # (T, F) normalised log-mel features
    step_seconds: float  # from one of them to the next
    log_probs: Array  # (T', V)
    frame_seconds: float  # from one frame of log probabilities to the next
    symbols: Sequence[str]  # V of them, the blank first
    tokens: Sequence[int]  # (U,) of the text
    alignment: Alignment  # of the tokens
    words: Sequence[Word]
    start: float  # seconds into the recording at which the excerpt starts
    centre: float  # seconds at which the middle of the first frame lies


def plot_file(
    audio: Path, output: Path | None, *, text: str | None, start: float, seconds: float, model: str, device: str
) -> Path:
    """Draw an excerpt of a recording into a PNG file; by default one with its name in the current folder.

    Raises:
        AsrError: If recording, text or model cannot be used, or the file cannot be written.
    """
    import matplotlib.figure  # noqa: F401  at once, since it may be missing

    output = output or Path(f"{audio.stem}.png")
    recognizer = load_model(model, device=device)
    picture = prepare_picture(recognizer, audio, text=text, start=start, seconds=seconds)
    with atomic_write(output) as partial:
        draw(picture).savefig(partial, dpi=130, format="png")
    return output


def prepare_picture(
    recognizer: Recognizer, source: AudioSource, *, text: str | None = None, start: float = 0.0, seconds: float
) -> Picture:
    """Recognise an excerpt of a recording, or align it with its text.

    Raises:
        AudioError: If the recording cannot be read or ends before the excerpt.
        TextError: If the alphabet cannot encode the text.
        AlignmentError: If the text does not fit.
    """
    runner, rate = recognizer.runner, recognizer.sample_rate
    samples = load_audio(source, sample_rate=rate)
    waveform = samples[round(start * rate) : round((start + seconds) * rate)]
    if len(waveform) < runner.layout.shortest:
        raise AudioError(f"{source}: there is nothing to draw after {start:g} s; it lasts {len(samples) / rate:.2f} s")
    features = runner.extract(waveform)
    (log_probs,) = runner.network.run([features])
    if not runner.layout.has_bands:  # what an encoder makes of the sound is no picture
        features = FeatureExtractor(recognizer.settings.features)(waveform)
    written = None if text is None else pair_words(text, recognizer.settings.normalizer)
    tokenizer = recognizer.tokenizer
    tokens: Sequence[int]
    if written is None:
        tokens = recognizer.decoder.search(log_probs).tokens
    else:
        tokenizer, tokens = encode_spoken(written, tokenizer)
    alignment = align_tokens(log_probs, tokens)
    timing = recognizer.decoder.timing
    words = find_words(alignment, tokens, tokenizer, timing, loudness=measure_loudness(waveform, rate))
    return Picture(
        waveform=waveform,
        sample_rate=rate,
        features=features,
        step_seconds=recognizer.settings.features.step_seconds,
        log_probs=log_probs,
        frame_seconds=timing.frame_seconds,
        symbols=recognizer.tokenizer.symbols,
        tokens=tokens,
        alignment=alignment,
        words=words if written is None else join_spoken(written, words),
        start=start,
        centre=timing.window_seconds / 2,
    )


def draw(picture: Picture) -> Any:
    """Draw the picture as a matplotlib figure."""
    from matplotlib.figure import Figure

    seconds = len(picture.waveform) / picture.sample_rate
    width = float(np.clip(INCHES_PER_SECOND * seconds, NARROWEST, WIDEST))
    figure = Figure(figsize=(width, 6.6), layout="constrained")
    rows = figure.subplots(4, 1, sharex=True, height_ratios=[0.32, 1, 1.7, 1.7])
    _draw_words(rows[0], picture, width / seconds)
    _draw_waveform(rows[1], picture)
    _draw_features(rows[2], picture)
    _draw_posteriors(rows[3], picture)
    for axes in rows[1:]:
        for word in picture.words:
            axes.axvline(picture.start + word.start, color="#888888", linewidth=0.6, alpha=0.6)
            axes.axvline(picture.start + word.end, color="#888888", linewidth=0.6, alpha=0.6, linestyle=":")
    rows[3].set(xlabel="seconds", xlim=(picture.start, picture.start + seconds))
    return figure


def _draw_words(axes: Any, picture: Picture, inches_per_second: float) -> None:
    axes.set(ylim=(0, 1), yticks=[])
    axes.spines[:].set_visible(False)
    axes.tick_params(bottom=False)
    for number, word in enumerate(picture.words):
        start, length = picture.start + word.start, word.end - word.start
        axes.axvspan(start, start + length, color=WORD_SHADES[number % 2], linewidth=0)
        # A letter is about 0.6 times as wide as the font size, and a point is a 72nd of an inch.
        fitting = 72 * length * inches_per_second / (0.6 * max(len(word.text), 1))
        axes.text(start + length / 2, 0.5, word.text, ha="center", va="center", fontsize=float(np.clip(fitting, 6, 14)))


def _draw_waveform(axes: Any, picture: Picture) -> None:
    times = picture.start + np.arange(len(picture.waveform)) / picture.sample_rate
    axes.plot(times, picture.waveform, linewidth=0.4, color=INK)
    loudest = max(float(np.abs(picture.waveform).max()), 1e-4)
    axes.set(ylabel="waveform", yticks=[], ylim=(-1.05 * loudest, 1.05 * loudest))
    for number, word in enumerate(picture.words):
        shade = WORD_SHADES[number % 2]
        axes.axvspan(picture.start + word.start, picture.start + word.end, color=shade, linewidth=0, alpha=0.5)


def _draw_features(axes: Any, picture: Picture) -> None:
    from matplotlib.ticker import NullLocator, ScalarFormatter, SymmetricalLogLocator

    num_frames, num_mels = picture.features.shape
    times = picture.start + picture.centre + np.arange(num_frames) * picture.step_seconds
    frequencies = mel_frequencies(num_mels, picture.sample_rate)
    axes.pcolormesh(times, frequencies, picture.features.T, cmap="magma", shading="nearest", rasterized=True)
    # Slaney's mel scale is linear up to 1 kHz and logarithmic above.
    axes.set_yscale("symlog", linthresh=1000.0, base=2)
    axes.yaxis.set_major_locator(SymmetricalLogLocator(axes.yaxis.get_transform()))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.set(ylabel="log-mel features, Hz", ylim=(frequencies[0], frequencies[-1]))


def _draw_posteriors(axes: Any, picture: Picture) -> None:
    """Draw a line for each token of the text, labelled at its peaks; the blank as grey background."""
    probabilities = np.exp(picture.log_probs)
    times = picture.start + picture.centre + np.arange(len(probabilities)) * picture.frame_seconds
    axes.fill_between(times, probabilities[:, 0], color=BLANK_GREY, linewidth=0, label="blank")
    tokens = dict.fromkeys(picture.tokens)
    colors = {token: TOKEN_COLORS[index % len(TOKEN_COLORS)] for index, token in enumerate(tokens)}
    for token in tokens:
        axes.plot(times, probabilities[:, token], linewidth=1.3, color=colors[token])
    for token, first, last in zip(picture.tokens, picture.alignment.starts, picture.alignment.ends, strict=True):
        peak = first + int(probabilities[first:last, token].argmax())
        symbol = picture.symbols[token].replace(" ", "␣")
        axes.text(times[peak], 1.04, symbol, ha="center", fontsize=11, color=colors[token])
    axes.set(ylabel="probability", ylim=(0, 1.2), yticks=[0, 0.5, 1])
    axes.legend(loc="center right", fontsize=9, framealpha=0.8)
