"""Small recurrent language models with random weights, and what they say, added up by hand."""

import numpy as np

from asr.config import LanguageNetworkSettings, LanguageSettings
from asr.language.rnn.model import RnnModel
from asr.model_files import save_model_files
from asr.runtime.language_network import OnnxLanguageNetwork
from asr.runtime.parameters import language_shapes
from asr.text.tokenizer import CharTokenizer
from asr.weights import Weights


def make_weights(settings, vocab_size, *, seed=0, spread=3.0):
    """Weights as large as torch's random ones, times `spread`."""
    rng = np.random.default_rng(seed)
    bound = spread * settings.hidden_size**-0.5
    shapes = language_shapes(settings, vocab_size)
    return Weights({name: rng.uniform(-bound, bound, shape).astype(np.float32) for name, shape in shapes.items()})


def make_model(letters="ab ", *, seed=0, lines="sentences", spread=3.0, precision="fp32", **network):
    """A model with decided opinions, so that mistakes show."""
    chosen = {"hidden_size": 8, "embedding_size": 5, "dropout": 0.0, **network}
    settings = LanguageSettings(lines=lines, normalizer=None, network=LanguageNetworkSettings(**chosen))
    tokenizer = CharTokenizer(["<blank>", *letters])
    weights = make_weights(settings.network, tokenizer.vocab_size, seed=seed, spread=spread)
    return RnnModel(OnnxLanguageNetwork(weights, settings.network, precision=precision), tokenizer, settings)


def set_bias(model, letter, value):
    """Change how probable a token is."""
    network = model.network
    bias = network.weights["head_bias"].copy()
    bias[model.pieces.index(letter)] = value
    weights = Weights({**network.weights, "head_bias": bias})
    model.network = OnnxLanguageNetwork(weights, network.settings, precision=network.precision)


def save_rnn(model, folder):
    """Write a model folder."""
    save_model_files(model.network.weights, model.tokenizer, model.settings, folder)


def log_prob_by_hand(model, text, before="\n"):
    """Log probability of a text after another, token by token, each from the whole history at once."""
    ids = {piece: token for token, piece in enumerate(model.pieces)}
    history, total = [ids[letter] for letter in before], 0.0
    for letter in text:
        outputs, _ = model.network.run(np.array(history)[:, None], model.network.initial_state(1))
        total += float(model.network.predict(outputs[-1])[0, ids[letter]])
        history.append(ids[letter])
    return total
