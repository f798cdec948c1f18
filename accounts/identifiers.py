"""Identifiers: time-ordered so that indexes stay warm, random enough that nobody guesses one."""

import os
import time
import uuid


def new_id() -> uuid.UUID:
    """Return a UUID version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, 74 random."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return uuid.UUID(int=value)


def new_ids(count: int) -> list[uuid.UUID]:
    """Return so many of them, one after the other, drawn at once."""
    if not count:
        return []
    # The last half only counts on: 62 random bits are for all of them.
    first = new_id().int & ~0xFFFFFFFF
    return [uuid.UUID(int=first + number) for number in range(count)]
