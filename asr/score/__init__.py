"""Hypotheses in, error rates out."""
