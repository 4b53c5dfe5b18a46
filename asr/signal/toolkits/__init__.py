"""Features as other toolkits compute them: what imported networks were trained on.

frames.py       what they share: windows, padding at both ends, streams
mfcc.py         TensorFlow's cepstra, for DeepSpeech and Coqui STT
spectrogram.py  magnitudes, for deepspeech.pytorch
fbank.py        log-mel energies of Kaldi (icefall, WeNet) and of NeMo, as sherpa-onnx computes them
build.py        settings in, one of these out
"""
