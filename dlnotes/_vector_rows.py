"""The rows of a text file of word vectors: blocks of whole lines, and a fast look at a block."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
import os
import zipfile
import zlib

from dlnotes._decimals import read_decimals
import numpy as np

BLOCK = 1 << 20
DAMAGED = (OSError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile)

_NEWLINE, _RETURN, _SPACE = b"\n\r "
_KEY = 16
_ONES, _HIGH = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class Blocks:
    """Iterates over a binary stream in blocks of whole lines, each with its newline.

    Where the stream breaks off, the lines before that still come, and `failure` says why.

    Args:
        stream: Binary stream with `read1`.
    """

    def __init__(self, stream):
        self.stream = stream
        self.failure = None

    def __iter__(self):
        pieces, length = [], 0
        while piece := self._read():
            pieces.append(piece)
            length += len(piece)
            end = piece.rfind(b"\n") + 1
            if end and length >= BLOCK:
                yield b"".join([*pieces[:-1], piece[:end]])
                pieces = [piece[end:]]
                length = len(pieces[0])
        rest = b"".join(pieces)
        if self.failure:
            rest = rest[: rest.rfind(b"\n") + 1]
        elif rest and not rest.endswith(b"\n"):
            rest += b"\n"
        if rest:
            yield rest

    def _read(self):
        try:
            return self.stream.read1(BLOCK)
        except DAMAGED as failure:
            self.failure = failure
            return b""


def with_results(function, items):
    """Yields each item and the function's result, in order, computed in threads a few ahead."""
    workers = min(os.cpu_count() or 1, 4)
    with ThreadPoolExecutor(workers) as pool:
        waiting = deque()
        for item in items:
            waiting.append((item, pool.submit(function, item)))
            if len(waiting) > workers:
                item, future = waiting.popleft()
                yield item, future.result()
        for item, future in waiting:
            yield item, future.result()


def plain_rows(block, dimension, wanted):
    """Reads a block in which every line is a word without spaces and its numbers.

    Args:
        block: Bytes, whole lines.
        dimension: Integer, numbers in a row.
        wanted: The `Wanted` words, or `None` for all.

    Returns:
        The number of lines, the wanted words as a list of bytes and their float32 matrix; or `None`
        if some line is not as plain as that, right or wrong.
    """
    characters = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(characters == _NEWLINE)
    starts = np.concatenate(([0], ends[:-1] + 1))
    ends -= characters[ends - 1] == _RETURN
    ends -= characters[ends - 1] == _SPACE
    if (
        (ends - starts <= 2 * dimension).any()
        or (characters[starts] <= _SPACE).any()
        or (characters[ends - 1] <= _SPACE).any()
    ):
        return None
    before_starts, before_ends = _spaces_before(characters, starts, ends)
    if (before_ends - before_starts != dimension).any():
        return None

    if not _is_utf8(characters):
        return None
    rows = len(starts)
    if wanted is not None:
        chosen = wanted.may_hold(block, starts)
        starts, ends = starts[chosen], ends[chosen]
    words, texts = [], []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        word_end = block.index(b" ", start)
        word = block[start:word_end]
        if wanted is None or word in wanted.words:
            words.append(word)
            texts.append(block[word_end + 1 : end])
    matrix = read_decimals(b" ".join(texts), len(words) * dimension)
    return None if matrix is None else (rows, words, matrix.reshape(-1, dimension))


def _is_utf8(characters):
    """Whether bytes are UTF-8: those that are not ASCII, each with the one that follows it."""
    if characters.max(initial=0) < 128:
        return True
    other = characters >= 128
    other[1:] |= other[:-1]
    try:
        characters[other].tobytes().decode()
    except UnicodeDecodeError:
        return False
    return True


class Wanted:
    """The words to read, and a fast look at which rows may hold one of them.

    Args:
        words: Set of bytes.
    """

    def __init__(self, words):
        self.words = words
        block = b"".join(word[:_KEY].ljust(_KEY) + b" " for word in words)
        starts = np.arange(0, len(block), _KEY + 1)
        self._keys = np.unique(_keys(block, starts))

    def may_hold(self, block, starts):
        """Whether each row's first 16 bytes, up to a space, are those of a word.

        A row too near to the end of the block may always hold one.
        """
        may = starts > len(block) - _KEY
        if len(self._keys):
            keys = _keys(block, np.minimum(starts, max(len(block) - _KEY, 0)))
            place = np.searchsorted(self._keys, keys)
            may |= self._keys[np.minimum(place, len(self._keys) - 1)] == keys
        return may


def _keys(block, starts):
    """A number for the first 16 bytes from each start on, without what follows a space."""
    if len(block) < _KEY:
        return np.zeros(len(starts), np.uint64)
    eights = np.ndarray(len(block) - 7, "<u8", block, strides=(1,))
    first, space = _up_to_space(eights[starts])
    second, _ = _up_to_space(eights[starts + 8])
    second[space] = 0
    return first * _MULTIPLIER ^ second


def _up_to_space(eight):
    """Eight bytes in a number each, zeros from the first space on; and whether there is one.

    Reference: the search for a zero byte of Warren, Hacker's Delight, 2nd edition, section 6-1.
    """
    differing = eight ^ _ONES * np.uint64(_SPACE)
    found = (differing - _ONES) & ~differing & _HIGH
    lowest = found & (~found + np.uint64(1))
    return eight & ((lowest >> np.uint64(7)) - np.uint64(1)), found != 0


def _spaces_before(characters, *positions):
    """How many spaces stand before each position: whole groups of 64 bits, then the rest of one."""
    bits = np.packbits(characters == _SPACE, bitorder="little")
    groups = np.zeros(len(bits) // 8 + 1, "<u8")
    groups.view(np.uint8)[: len(bits)] = bits
    before = np.concatenate(([0], np.cumsum(np.bitwise_count(groups), dtype=np.int64)))
    for position in positions:
        group = position >> 6
        rest = groups[group] & ((np.uint64(1) << (position & 63).astype(np.uint64)) - np.uint64(1))
        yield before[group] + np.bitwise_count(rest)
