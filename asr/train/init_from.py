"""Start from a trained model: its weights in, a network for another alphabet out.

What the base has learnt about sound or language is kept. Only parameters with a row per token depend on the
alphabet: rows of symbols that both alphabets hold are copied, the others start at random.
"""

from typing import TypeVar

import torch
from torch import nn

from asr.config import ModelSettings
from asr.errors import ConfigError
from asr.recognize.model_folder import Model
from asr.text.tokenizer import Tokenizer
from asr.weights import Weights

_BY_TOKEN = ("head", "embedding")  # prefixes of the names of parameters with a row per token

_Recipe = TypeVar("_Recipe", bound=ModelSettings)


def inherit_architecture(recipe: _Recipe, base: Model) -> _Recipe:
    """Replace the recipe's features and network sizes with the base's, because its weights fit no others.

    Dropout and all settings of text stay the recipe's.

    Raises:
        ConfigError: If the recipe asks for another front end than the base has.
    """
    for name in ("kind", "encoder"):
        asked, found = getattr(recipe.features, name), getattr(base.settings.features, name)
        if name in recipe.features.model_fields_set and asked != found:
            raise ConfigError(
                f"features.{name}: {asked}, but the model to start from has {found}; "
                f"start from a model with {asked}, or from none"
            )
    acoustic = base.settings.acoustic.model_copy(update={"dropout": recipe.acoustic.dropout})
    return recipe.model_copy(update={"features": base.settings.features, "acoustic": acoustic})


def inherit_decoder_settings(recipe: _Recipe, base: Model) -> _Recipe:
    """Add the base's decoder settings that the recipe does not set itself: a good start if the tokens are the same."""
    merged = {
        group: getattr(base.settings, group).model_copy(update=getattr(recipe, group).model_dump(exclude_unset=True))
        for group in ("decoder", "rescoring")
    }
    return recipe.model_copy(update=merged)


def copy_weights(base: Weights, base_tokenizer: Tokenizer, network: nn.Module, tokenizer: Tokenizer) -> int:
    """Copy the base's weights into a network of its shape; rows of symbols that it lacks are unchanged.

    Returns:
        The number of the network's tokens that the base knows, including the blank.
    """
    weights = {name: torch.from_numpy(value) for name, value in base.items()}
    shared = set(base_tokenizer.symbols) & set(tokenizer.symbols)
    for name, value in network.state_dict().items():
        if not name.startswith(_BY_TOKEN):
            value.copy_(weights[name])
            continue
        for symbol in shared:
            value[tokenizer.symbols.index(symbol)] = weights[name][base_tokenizer.symbols.index(symbol)]
    return len(shared)
