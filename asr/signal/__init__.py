"""Sound in, features out: reading audio, log-mel features, splitting at pauses."""
