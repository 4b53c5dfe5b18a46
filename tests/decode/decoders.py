"""Decoders from settings and parts named side by side, as tests vary both."""

from asr.config import DecoderSettings
from asr.decode.decoder import BeamDecoder


def make_decoder(symbols, **choices):
    settings = {name: choices.pop(name) for name in DecoderSettings.model_fields if name in choices}
    return BeamDecoder(symbols, DecoderSettings(**settings), **choices)
