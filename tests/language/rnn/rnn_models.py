"""Small recurrent language models with random weights, and what they say, added up by hand."""

import torch
from asr.language.rnn.network import LanguageNetwork

from asr.config import LanguageNetworkSettings, LanguageSettings
from asr.language.rnn.model import RnnModel
from asr.text.tokenizer import CharTokenizer


def make_model(letters="ab ", *, seed=0, lines="sentences", spread=3.0, dtype=torch.float32, **network):
    """A model with decided opinions, so that mistakes show."""
    torch.manual_seed(seed)
    chosen = {"hidden_size": 8, "embedding_size": 5, "dropout": 0.0, **network}
    settings = LanguageSettings(lines=lines, normalizer=None, network=LanguageNetworkSettings(**chosen))
    tokenizer = CharTokenizer(["<blank>", *letters])
    made = LanguageNetwork(settings.network, tokenizer.vocab_size).to(dtype)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(spread)
    return RnnModel(made.eval(), tokenizer, settings)


def log_prob_by_hand(model, text, before="\n"):
    """Log probability of a text after another, token by token, each from the whole history at once."""
    ids = {piece: token for token, piece in enumerate(model.pieces)}
    history, total = [ids[letter] for letter in before], 0.0
    for letter in text:
        with torch.no_grad():
            logits, _ = model.network(torch.tensor(history)[:, None], model.network.initial_state(1))
        total += float(torch.log_softmax(logits[-1, 0].double(), -1)[ids[letter]])
        history.append(ids[letter])
    return total
