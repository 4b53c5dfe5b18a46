"""Models that other programs trained in, model folders out.

deepspeech_pytorch.py  checkpoints of SeanNaren's deepspeech.pytorch, for which torch is needed
coqui.py               models of Coqui STT and Mozilla DeepSpeech: coqui_file.py finds their layers in files that
                       tflite.py and graph_def.py read; scorer.py reads their scorers
onnx_ctc.py            CTC models in ONNX with sherpa-onnx's metadata: icefall, NeMo, WeNet
folder.py              what all of them write

Nothing of a file is executed. Networks become ONNX graphs (runtime/imported/graph.py), and front ends are settings
(signal/toolkits/), so that recognition, decoder and servers run an imported model as any other.
"""
