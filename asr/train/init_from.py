"""Start from a trained model: its weights in, a network for another alphabet out.

What the base has learnt about sound is kept. Only the head, which has a row per token, depends on the
alphabet: rows of symbols that both alphabets hold are copied, the others start at random.
"""

from typing import TypeVar

import torch
from torch import Tensor

from asr.config import ModelSettings
from asr.recognize.model_folder import Model
from asr.text.tokenizer import Tokenizer

_HEAD = "head."  # the parameters that depend on the alphabet

_Recipe = TypeVar("_Recipe", bound=ModelSettings)


def inherit_architecture(recipe: _Recipe, base: Model) -> _Recipe:
    """Replace the recipe's features and network sizes with the base's, because its weights fit no others.

    Dropout and all settings of text stay the recipe's.
    """
    acoustic = base.settings.acoustic.model_copy(update={"dropout": recipe.acoustic.dropout})
    return recipe.model_copy(update={"features": base.settings.features, "acoustic": acoustic})


def inherit_decoder_settings(recipe: _Recipe, base: Model) -> _Recipe:
    """Add the base's decoder settings that the recipe does not set itself: a good start if the tokens are the same."""
    merged = {}
    for group in ("decoder", "rescoring"):
        settings = getattr(recipe, group)
        explicit = {name: getattr(settings, name) for name in settings.model_fields_set}
        merged[group] = getattr(base.settings, group).model_copy(update=explicit)
    return recipe.model_copy(update=merged)


def copy_weights(base: Model, model: Model) -> int:
    """Copy the base's weights and feature statistics into a model of its shape; the alphabets may differ.

    Returns:
        The number of the model's tokens that the base knows, including the blank.
    """
    weights = base.acoustic.state_dict()
    with torch.no_grad():
        for name, value in model.acoustic.state_dict().items():
            if name.startswith(_HEAD):
                copy_rows(weights[name], base.tokenizer, value, model.tokenizer)
            else:
                value.copy_(weights[name])
    return len(_shared_symbols(base.tokenizer, model.tokenizer))


def copy_rows(source: Tensor, base: Tokenizer, target: Tensor, tokenizer: Tokenizer) -> None:
    """Copy the rows (V, ...) of symbols that both alphabets hold, at whatever position in either."""
    for symbol in _shared_symbols(base, tokenizer):
        target[tokenizer.symbols.index(symbol)] = source[base.symbols.index(symbol)]


def covers(base: Tokenizer, tokenizer: Tokenizer) -> bool:
    """Return whether the base has all symbols of an alphabet."""
    return _shared_symbols(base, tokenizer) == set(tokenizer.symbols)


def _shared_symbols(base: Tokenizer, tokenizer: Tokenizer) -> set[str]:
    return set(base.symbols) & set(tokenizer.symbols)
