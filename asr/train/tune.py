"""`asr tune`: a language model's weights, from development data into the model's settings."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from asr.decode.beam import BeamDecoder
from asr.decode.tuning import Trial, Weights, search_weights
from asr.errors import ModelError
from asr.language.binary import write_binary
from asr.language.ngram import load_ngram
from asr.recognize.decoding import LANGUAGE_MODELS, Decoding, find_language_model
from asr.recognize.model_folder import find_model
from asr.recognize.recognizer import load_model
from asr.score.wer import score_utterances
from asr.train.calibrate import fit_examples, save_settings
from asr.train.corpus import load_cuts
from asr.train.evaluate import collect_log_probs

logger = logging.getLogger(__name__)

# Characters decide between weights that make as many word errors.
_CHARACTER_SHARE = 0.01


def tune(manifests: Sequence[Path], *, model: str, lm: Path | None, device: str, console: Console) -> Trial:
    """Find alpha, beta and beam size, and save them in the model's folder, with the language model.

    Word confidences are calibrated to them, too.

    The network runs once; its log probabilities are kept and decoded again for each trial.

    Args:
        manifests: Development data; never a test set.
        model: A model folder or name.
        lm: A language model; None: the one in the folder.
        device: Where the network runs.
        console: Told of progress.

    Raises:
        ModelError: If there is no language model.
        AsrError: If the model's folder cannot be written to.
    """
    folder = find_model(model)
    path = lm or find_language_model(folder)
    if path is None:
        raise ModelError(f"{folder}: holds no language model ({', '.join(LANGUAGE_MODELS)}); give one with --lm")
    # Without the folder's own language model, which may be broken where another is given.
    recognizer = load_model(folder, device=device, decoding=Decoding(decoder="greedy"))
    language_model = load_ngram(path)
    settings = recognizer.settings.decoder
    decoder = BeamDecoder(recognizer.tokenizer.symbols, language_model=language_model, **settings.model_dump())
    references, log_probs = collect_log_probs(recognizer, load_cuts(manifests))
    console.print(f"{len(references)} utterances, {sum(map(len, log_probs))} frames")

    def measure(weights: Weights) -> float:
        found = decoder.reweighted(**weights._asdict()).decode_batch(log_probs)
        texts = [recognizer.tokenizer.decode(best[0].tokens) for best in found]
        rates = score_utterances(references, texts, resamples=1)
        return 100 * (rates.wer + _CHARACTER_SHARE * rates.cer)

    fewest = math.inf

    def report(trial: Trial) -> None:
        nonlocal fewest
        if trial.errors >= fewest:
            return
        fewest = trial.errors
        alpha, beta, beam_size = trial.weights
        console.print(
            f"alpha {alpha:.2f}  beta {beta:.2f}  beam {beam_size}: {trial.errors:.2f} % errors", highlight=False
        )

    best = search_weights(measure, Weights(settings.alpha, settings.beta, settings.beam_size), report=report)
    chosen = settings.model_copy(update=best.weights._asdict())
    if lm is not None:
        write_binary(language_model, folder / LANGUAGE_MODELS[0])
    found = decoder.reweighted(**best.weights._asdict()).decode_batch(log_probs)
    confidence = fit_examples(references, log_probs, [one[0].tokens for one in found], recognizer.tokenizer)
    save_settings(recognizer.settings.model_copy(update={"decoder": chosen, "confidence": confidence}), folder)
    return best
