"""Sound in, features out: reading audio, log-mel features, augmentation."""
