"""What word, or what token, comes next? Knows nothing of audio, frames or decoding."""
