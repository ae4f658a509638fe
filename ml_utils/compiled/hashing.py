"""Feature hashing of one category as scikit-learn's FeatureHasher does it, without scikit-learn."""

from __future__ import annotations

_MASK = 0xFFFFFFFF


def murmur3(content: bytes, seed: int = 0) -> int:
    """Return the signed 32-bit MurmurHash3 (Appleby 2011, x86_32).

    >>> murmur3(b"hello"), murmur3(b"")
    (613153351, 0)
    """
    state, whole = seed, len(content) // 4 * 4
    for start in range(0, whole, 4):
        state ^= _mixed(int.from_bytes(content[start : start + 4], "little"))
        state = (_turned(state, 13) * 5 + 0xE6546B64) & _MASK
    if whole < len(content):
        state ^= _mixed(int.from_bytes(content[whole:], "little"))
    state ^= len(content)
    state = ((state ^ (state >> 16)) * 0x85EBCA6B) & _MASK
    state = ((state ^ (state >> 13)) * 0xC2B2AE35) & _MASK
    state ^= state >> 16
    return state - (1 << 32) if state & 0x80000000 else state


def hash_columns(form: str, width: int) -> list[float]:
    """Return +1 or −1 in one of `width` columns, 0 in the others."""
    hashed = murmur3(form.encode("utf-8"))
    columns = [0.0] * width
    columns[abs(hashed) % width] = 1.0 if hashed >= 0 else -1.0
    return columns


def _turned(value: int, by: int) -> int:
    return ((value << by) | (value >> (32 - by))) & _MASK


def _mixed(part: int) -> int:
    return (_turned((part * 0xCC9E2D51) & _MASK, 15) * 0x1B873593) & _MASK
