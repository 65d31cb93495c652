"""One seed, many independent streams: a change to one part leaves the random numbers of the others as they were."""

import hashlib


def derive(seed: int, *purpose: object) -> int:
    """A 63-bit seed for one purpose, such as derive(seed, "order", epoch)."""
    text = "/".join(str(word) for word in (seed, *purpose))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
