"""A model and cuts in, figures out: error rates, reliability, tuned weights, calibrated confidences.

Reading order:

    wer           references and hypotheses in, error rates with intervals out
    reliability   confidences and correctness in, calibration error and diagram out
    evaluate      a recogniser and cuts in, an `Evaluation` out
    report        an `Evaluation` in, JSON and text files out
    card          an evaluation in, a row of the model card's table of results out
    calibrate     development data in, word confidences of a model folder fitted
    tune          development data in, language model weights of a model folder fitted
"""
