"""A model and cuts in, figures out: error rates, reliability, tuned weights, calibrated confidences.

wer, reliability  texts in, error rates with intervals out; confidences and correctness in, calibration error out
evaluate          a recogniser and cuts in, an `Evaluation` out
report            an `Evaluation` in, JSON, texts and rows of the model card's table of results out
calibrate, tune   development data in, word confidences and language model weights of a model folder fitted
"""
