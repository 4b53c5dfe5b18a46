"""Settings in, the features of a toolkit out."""

from asr.config import FeatureSettings, ToolkitSettings
from asr.signal.toolkits.fbank import FbankExtractor
from asr.signal.toolkits.frames import FrameSizes, ToolkitExtractor
from asr.signal.toolkits.mfcc import MfccExtractor
from asr.signal.toolkits.spectrogram import SpectrogramExtractor

_EXTRACTORS: dict[str, type[ToolkitExtractor]] = {
    "mfcc": MfccExtractor,
    "spectrogram": SpectrogramExtractor,
    "kaldi": FbankExtractor,
    "nemo": FbankExtractor,
}


def build_toolkit_extractor(settings: FeatureSettings, toolkit: ToolkitSettings) -> ToolkitExtractor:
    """Build the extractor that the settings ask for."""
    return _EXTRACTORS[toolkit.kind](settings, toolkit)


def toolkit_frames(settings: FeatureSettings, toolkit: ToolkitSettings) -> FrameSizes:
    """Return the sizes of the frames that the settings ask for."""
    return build_toolkit_extractor(settings, toolkit).sizes
