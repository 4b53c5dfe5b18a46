"""A model and cuts in, figures out: error rates, reliability, tuned weights, calibrated confidences."""
