"""`asr tune`: the weights of language models, from development data into the model's settings."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from asr.config import DecoderSettings, RescoringSettings, write_yaml
from asr.corpus.prepare import load_cuts
from asr.decode.decoder import BeamDecoder
from asr.decode.rescoring import Rescorer, search_rescoring
from asr.decode.stream import Hypothesis
from asr.decode.tuning import Trial, Weights, search_weights
from asr.errors import ModelError
from asr.evaluate.calibrate import fit_examples
from asr.evaluate.evaluate import collect_log_probs
from asr.evaluate.wer import count_edits, require_words, score_utterances
from asr.language.rnn.model import load_rnn
from asr.recognize.language_models import (
    LANGUAGE_MODELS,
    find_language_model,
    find_rescorer,
    load_language_model,
    save_language_model,
    save_rescorer,
)
from asr.recognize.model_folder import SETTINGS, find_writable_model
from asr.recognize.options import DecodingOptions, build_decoder
from asr.recognize.recognizer import load_model
from asr.recognize.utterance import decode_distinct
from asr.runtime.network import LogProbs
from asr.text.tokenizer import Tokenizer

# Characters decide between weights that make as many word errors.
_CHARACTER_SHARE = 0.01
_BATCH = 64  # utterances that are decoded together


class Tuned(NamedTuple):
    """What was found; no rescoring where there is no second pass."""

    weights: Weights
    rescoring: RescoringSettings | None

    def __str__(self) -> str:
        alpha, beta, beam_size, unknown_score, blank_penalty = self.weights
        told = f"alpha {alpha:g}, beta {beta:g}, unknown words {unknown_score:g}, blank penalty {blank_penalty:g}, "
        told += f"beam size {beam_size}"
        if self.rescoring is None:
            return told
        second = self.rescoring
        return f"{told}; rescoring: alpha {second.alpha:g}, beta {second.beta:g}, keep {second.keep:g}"


@dataclass(frozen=True)
class Speech:
    """Development data as the decoder sees it: normalised references, and (T', V) log probabilities of each."""

    references: list[str]
    log_probs: list[LogProbs]


def tune(
    manifests: Sequence[Path], *, model: str, lm: Path | None, rescore: Path | None, device: str, console: Console
) -> Tuned:
    """Find the weights of language models, and save them in the model's folder, with the models.

    Those within the beam are alpha, beta, the prices of unknown words and of blanks, and the beam size; they stay
    as they are where only a second pass is given. Word confidences are calibrated to what comes out.
    The network runs once; its log probabilities are kept and decoded again for each trial.

    Args:
        manifests: Development data; never a test set.
        model: A model folder or name.
        lm: A language model for the beam; None: the one in the folder.
        rescore: A recurrent one for the second pass; None: the one in the folder, if any.
        device: Where the network runs.
        console: Told of progress.

    Raises:
        ModelError: If there is no language model.
        CorpusError: If there is no word in the transcripts.
        AsrError: If the model's folder cannot be written to, or comes with the package.
    """
    folder = find_writable_model(model)
    path = lm or find_language_model(folder)
    second = rescore or find_rescorer(folder)
    if path is None and second is None:
        raise ModelError(f"{folder}: holds no language model ({', '.join(LANGUAGE_MODELS)}); give one with --lm")
    # Without the folder's own language model, which may be broken where another is given.
    recognizer = load_model(folder, device=device, decoding=DecodingOptions(decoder="greedy"))
    tokenizer, settings = recognizer.tokenizer, recognizer.settings
    first = load_language_model(path, tokenizer.symbols) if path else None
    decoder = build_decoder(tokenizer, settings.decoder, language_model=first)
    second_model = load_rnn(second) if second else None
    rescorer = Rescorer(second_model, tokenizer.decode, settings.rescoring) if second_model else None
    speech = Speech(*collect_log_probs(recognizer, load_cuts(manifests)))
    require_words(speech.references)
    console.print(f"{len(speech.references)} utterances, {sum(map(len, speech.log_probs))} frames")
    weights = _present_weights(settings.decoder)
    if first is not None and (lm is not None or rescore is None):
        weights = _tune_beam(decoder, speech, tokenizer, settings.decoder, console).weights
        decoder = decoder.reweighted(**weights._asdict())
    rescorer = _tune_rescoring(decoder, rescorer, speech, tokenizer, console) if rescorer else None
    confidence = fit_examples(
        speech.references, speech.log_probs, _read(decoder, rescorer, speech, tokenizer), tokenizer
    )
    update: dict[str, Any] = {
        "decoder": settings.decoder.model_copy(update=weights._asdict()),
        "confidence": confidence,
    }
    if rescorer is not None:
        update["rescoring"] = rescorer.settings
    # All at once at the end: weights fit no other language model than theirs.
    if first is not None and lm is not None:
        save_language_model(first, lm, folder)
    if rescore is not None:
        save_rescorer(rescore, folder)
    write_yaml(settings.model_copy(update=update), folder / SETTINGS)
    return Tuned(weights, rescorer.settings if rescorer else None)


def _tune_beam(
    decoder: BeamDecoder, speech: Speech, tokenizer: Tokenizer, settings: DecoderSettings, console: Console
) -> Trial:
    """Alpha, beta, the prices of unknown words and of blanks, and the beam size."""

    def measure(weights: Weights) -> float:
        found = decoder.reweighted(**weights._asdict()).decode_batch(speech.log_probs)
        texts = [tokenizer.decode(best[0].tokens) for best in found]
        rates = score_utterances(speech.references, texts, resamples=1)
        return 100 * (rates.wer + _CHARACTER_SHARE * rates.cer)

    fewest = math.inf

    def report(trial: Trial) -> None:
        nonlocal fewest
        if trial.errors >= fewest:
            return
        fewest = trial.errors
        alpha, beta, beam_size, unknown_score, blank_penalty = trial.weights
        console.print(
            f"alpha {alpha:.2f}  beta {beta:.2f}  unknown {unknown_score:g}  blank {-blank_penalty or 0:g}  "
            f"beam {beam_size}: {trial.errors:.2f} % errors",
            highlight=False,
        )

    return search_weights(measure, _present_weights(settings), report=report)


def _present_weights(settings: DecoderSettings) -> Weights:
    return Weights(settings.alpha, settings.beta, settings.beam_size, settings.unknown_score, settings.blank_penalty)


def _tune_rescoring(
    decoder: BeamDecoder, rescorer: Rescorer, speech: Speech, tokenizer: Tokenizer, console: Console
) -> Rescorer:
    """The same second pass with the weights that choose best among the hypotheses of the first."""
    found = list(_first_pass(decoder, rescorer, speech, tokenizer))
    scores = [rescorer.measure(hypotheses) for hypotheses in found]
    texts = [[rescorer.spell(one.tokens) for one in hypotheses] for hypotheses in found]
    pairs = zip(speech.references, texts, strict=True)
    errors = [np.array([float(one.errors) for one in count_edits([ref] * len(own), own)]) for ref, own in pairs]
    best = search_rescoring(scores, errors, rescorer.settings)
    num_words = sum(len(reference.split()) for reference in speech.references)
    for name, settings in (("as it was", rescorer.settings), ("tuned", best)):
        chosen = sum(own[one.total(settings).argmax()] for own, one in zip(errors, scores, strict=True))
        console.print(f"rescoring, {name}: {100 * chosen / num_words:.2f} % errors", highlight=False)
    return Rescorer(rescorer.model, rescorer.spell, best)


def _first_pass(
    decoder: BeamDecoder, rescorer: Rescorer | None, speech: Speech, tokenizer: Tokenizer
) -> Iterator[list[Hypothesis]]:
    """What the second pass chooses from, an utterance at a time; the best reading alone where there is none."""
    count = rescorer.settings.nbest if rescorer else 1
    for first in range(0, len(speech.log_probs), _BATCH):  # a wide beam's readings of a whole corpus fill the memory
        yield from decode_distinct(decoder, tokenizer, speech.log_probs[first : first + _BATCH], count)


def _read(
    decoder: BeamDecoder, rescorer: Rescorer | None, speech: Speech, tokenizer: Tokenizer
) -> list[tuple[int, ...]]:
    """The tokens of the best reading of each utterance."""
    found = _first_pass(decoder, rescorer, speech, tokenizer)
    return [(rescorer.rescore(one) if rescorer else one)[0].tokens for one in found]
