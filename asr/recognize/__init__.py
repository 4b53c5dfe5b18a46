"""Audio in, transcript out: the recogniser that users call.

Read in this order:

    recognizer.py        load_model, and Recognizer: the parts below put together
    pipeline.py          many recordings at once: threads read audio, the network runs in batches, threads decode
    runner.py            waveforms to log probabilities: segments, features, network
    utterance.py         log probabilities to text, words and n-best alternatives
    words.py             tokens to words with times and confidences,
                         by word_boundaries.py (loudness) and confidence.py (calibration)
    options.py           DecodingOptions, and the decoder and rescorer that they call for
    model_folder.py      a model on disk, and language_models.py: the language models in its folder
    align.py, plot.py    a given text aligned with a recording; a picture of how sound becomes text
    streaming/           the same for speech that is still being spoken
"""
