"""Seeds of random draws, derived from the purpose of the draw: a resumed run draws what an uninterrupted one does."""

import hashlib


def draw_seed(*parts: object) -> int:
    """Derive a seed in [0, 2**63) from all parts, the same in every process and version."""
    digest = hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
