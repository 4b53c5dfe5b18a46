"""A text that a person gives in, the tokens that a model continues from out."""

import logging

from asr.language.rnn.bptt import LINE_BREAK
from asr.language.rnn.model import RnnModel
from asr.language.text_files import prepare_line

logger = logging.getLogger(__name__)


def prepare_prompt(model: RnnModel, text: str) -> str:
    """Return a text as the model expects it; only its last line if lines are independent sentences."""
    lines = text.split("\n")
    if model.settings.lines == "apart":
        lines = lines[-1:]
    prepared = "\n".join(prepare_line(line, model.settings) for line in lines)
    # Normalising strips the space at the end, which says that a word is over.
    needs_space = text[-1:].isspace() and text[-1:] != "\n" and prepared and not prepared[-1].isspace()
    return prepared + " " if needs_space else prepared


def encode_prompt(model: RnnModel, text: str) -> list[int]:
    """Return the tokens of a text, after the line break that begins every text."""
    tokens, unknown = [], ""
    for line in text.split("\n"):
        encoded = model.encode(line)
        tokens += [LINE_BREAK, *encoded.tokens]
        unknown += encoded.unknown
    if unknown:
        logger.warning("the alphabet has no %s: left out of the text", quote_characters(unknown))
    return tokens


def quote_characters(characters: str) -> str:
    """Return each character once, in quotes."""
    return ", ".join(map(repr, dict.fromkeys(characters)))
