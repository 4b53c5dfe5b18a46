"""Start from a trained model: its weights in, a network for another alphabet out.

What the base has learnt of sound is kept whole; only the head, a row a token, depends on the
alphabet: rows of symbols that both alphabets hold are copied, the others start at random.
"""

from typing import TypeVar

import torch
from torch import Tensor

from asr.config import ModelSettings
from asr.recognize.model_folder import Model
from asr.text.tokenizer import Tokenizer

HEAD = "head."  # the parameters that depend on the alphabet

_Recipe = TypeVar("_Recipe", bound=ModelSettings)


def inherit_architecture(recipe: _Recipe, base: Model) -> _Recipe:
    """A recipe with the base's features and sizes of the network, since its weights fit no others.

    Dropout and everything about text stay the recipe's.
    """
    acoustic = base.settings.acoustic.model_copy(update={"dropout": recipe.acoustic.dropout})
    return recipe.model_copy(update={"features": base.settings.features, "acoustic": acoustic})


def inherit_decoder_settings(recipe: _Recipe, base: Model) -> _Recipe:
    """A recipe with the base's settings of decoding where it states none: with the same tokens a good start."""
    taken = {}
    for part in ("decoder", "rescoring"):
        own = getattr(recipe, part)
        stated = {name: getattr(own, name) for name in own.model_fields_set}
        taken[part] = getattr(base.settings, part).model_copy(update=stated)
    return recipe.model_copy(update=taken)


def copy_weights(base: Model, model: Model) -> int:
    """Copy the base's weights and feature statistics into a model of its shape, whatever the alphabet.

    Returns:
        How many tokens of the model the base knows, the blank among them.
    """
    weights = base.acoustic.state_dict()
    with torch.no_grad():
        for name, value in model.acoustic.state_dict().items():
            if name.startswith(HEAD):
                copy_rows(weights[name], base.tokenizer, value, model.tokenizer)
            else:
                value.copy_(weights[name])
    return len(_shared_symbols(base.tokenizer, model.tokenizer))


def copy_rows(source: Tensor, base: Tokenizer, target: Tensor, tokenizer: Tokenizer) -> None:
    """Copy the rows (V, ...) of symbols that both alphabets hold, wherever they stand in either."""
    for symbol in _shared_symbols(base, tokenizer):
        target[tokenizer.symbols.index(symbol)] = source[base.symbols.index(symbol)]


def covers(base: Tokenizer, tokenizer: Tokenizer) -> bool:
    """Whether the base has all symbols of an alphabet."""
    return _shared_symbols(base, tokenizer) == set(tokenizer.symbols)


def _shared_symbols(base: Tokenizer, tokenizer: Tokenizer) -> set[str]:
    return set(base.symbols) & set(tokenizer.symbols)
