"""Recurrent language models: scoring, generation and completion of text."""
