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
        wanted: Set of bytes, the words to read, or `None` for all.

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

    starts = starts.tolist()
    word_ends = [block.index(b" ", start) for start in starts]
    words = [block[start:end] for start, end in zip(starts, word_ends, strict=True)]
    try:
        b"\n".join(words).decode()
    except UnicodeDecodeError:
        return None
    chosen = range(len(words))
    if wanted is not None:
        chosen = [row for row, word in enumerate(words) if word in wanted]
        words = [words[row] for row in chosen]
    ends = ends.tolist()
    text = b" ".join([block[word_ends[row] + 1 : ends[row]] for row in chosen])
    matrix = read_decimals(text, len(words) * dimension)
    return None if matrix is None else (len(starts), words, matrix.reshape(-1, dimension))


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
