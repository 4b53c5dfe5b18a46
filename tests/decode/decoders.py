"""Decoders from settings and parts named side by side, as tests vary both."""

import math

from asr.config import DecoderSettings
from asr.decode.decoder import BeamDecoder

EVERYTHING = {"beam_size": 3000, "beam_threshold": math.inf, "token_threshold": math.inf, "blank_skip": 2.0}


def make_decoder(symbols, **choices):
    settings = {name: choices.pop(name) for name in DecoderSettings.model_fields if name in choices}
    return BeamDecoder(symbols, DecoderSettings(**settings), **choices)
