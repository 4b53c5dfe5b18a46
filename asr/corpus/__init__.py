"""Corpora in, lhotse cuts out: preparing, checking and reading transcribed speech."""
