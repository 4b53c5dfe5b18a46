"""The result and its formats; knows nothing of recognition."""
