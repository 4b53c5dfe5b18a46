"""The model card: what a model was made from, how good it is, and where not to trust it."""

import datetime
import re
from pathlib import Path

from asr import __version__
from asr.atomic import write_text
from asr.config import Config, FeatureSettings
from asr.model_files import CARD, TABLE
from asr.recognize.model_folder import Model, find_model
from asr.train.loop import TrainState
from asr.train.trainer import DevResult

_TEMPLATE = """# {name}

A speech recognition model; give this folder to `asr transcribe` as the model.

| | |
| --- | --- |
{facts}

## Results

On the development set, by which the weights were chosen, with greedy decoding and no language model:
{wer:.2%} WER, {cer:.2%} CER. On other speech, as measured by `asr evaluate`:

{table}
## Limits

It can write only what its tokens, and its lexicon if it has one, can spell. The results above hold
for speech like its training speech: other accents, microphones, rooms and subjects cost accuracy.
Its confidences are fitted to the development set; on other speech they may be too high.
"""
_FACT = re.compile(r"^\| ([a-z ]+) \| (.+) \|$", re.MULTILINE)


def write_card(config: Config, model: Model, state: TrainState, dev: DevResult, speech: str) -> None:
    """Write `README.md` into a freshly trained model's folder; `speech` says how much speech it was trained on."""
    epochs = f"{state.epoch} epoch" + "s" * (state.epoch != 1)
    facts = {
        **_describe_model(config, model),
        "training speech": f"{config.corpus.name or 'not named'}: {speech}",
        "licence of the speech": config.corpus.licence or "not stated",
        **_describe_base(config.train.init_from),
        "training": f"{epochs}, {state.steps} steps, {state.elapsed / 60:.0f} minutes, "
        f"seed {config.train.seed}; {state.bad_steps} steps skipped",
        "made with": f"asr {__version__}, {datetime.date.today().isoformat()}",
    }
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    text = _TEMPLATE.format(name=config.output.name, facts=rows, wer=dev.wer, cer=dev.cer, table=TABLE)
    write_text(config.output / CARD, text)


def _describe_base(name: str | None) -> dict[str, str]:
    """Describe the training speech of the base model, whose licences extend to this one."""
    if name is None:
        return {}
    card = find_model(name) / CARD
    facts = dict(_FACT.findall(card.read_text(encoding="utf-8"))) if card.is_file() else {}
    speech = [facts[fact] for fact in ("training speech", "licence of the speech", "begun from") if fact in facts]
    described = f" ({'; '.join(speech)})" if speech else ", whose card does not name its training speech"
    return {"begun from": f"`{Path(name).name}`{described}"}


def _describe_model(config: Config, model: Model) -> dict[str, str]:
    acoustic = config.acoustic
    num_weights = sum(value.size for name, value in model.weights.items() if not name.startswith("feature_"))
    loss = "CTC-CRF" if config.train.loss.denominator_weight else "CTC"
    return {
        "task": f"speech to text, {model.tokenizer.vocab_size - 1} symbols ({config.tokenizer.kind})",
        "network": f"{acoustic.num_layers} {acoustic.cell} layers ({acoustic.direction}) of {acoustic.hidden_size} "
        f"units per direction, {loss}; {num_weights / 1e6:.1f} million weights",
        "audio": f"{config.features.sample_rate} Hz, mono, {_describe_features(config.features)}",
    }


def _describe_features(features: FeatureSettings) -> str:
    if features.kind == "whisper":
        return f"the encoder of Whisper {Path(features.encoder).name}, whose weights are not part of this model"
    return f"{features.num_mels} mel bands"
