"""Keeps what was read from a large file of word vectors, so that reading it again is quick."""

import contextlib
import hashlib
import json
import os
from pathlib import Path
import tempfile

import numpy as np

SMALLEST_FILE = 8 << 20
MOST_BYTES = 2 << 30

_FORMAT = 1
_SAMPLE = 1 << 16
_SAMPLES = 16


def cache_entry(path, wanted, *arguments):
    """The `CacheEntry` for a file, or `None` where the file is small or there is no place for it.

    Args:
        path: `pathlib.Path` of the file.
        wanted: Set of bytes, the words to read, or `None` for all.
        arguments: Everything else on which the answer depends, with an unambiguous `repr`.
    """
    from dlnotes.download import cache_folder

    try:
        if path.is_file() and path.stat().st_size >= SMALLEST_FILE:
            request = (wanted and sorted(wanted), *arguments)
            return CacheEntry(path, request, cache_folder() / "vectors")
    except (OSError, RuntimeError):
        pass
    return None


class CacheEntry:
    """One answer, kept in a file named by the question.

    An entry counts only while the file that was read is as it was then: `fingerprint`. An entry
    that is damaged, in whatever way, counts as none. It is written beside and renamed, so that
    processes may share the folder; after writing, the entries used longest ago are removed until
    all together have at most `MOST_BYTES`.

    Args:
        path: `pathlib.Path` of the file with the word vectors.
        request: Tuple, everything else on which the answer depends.
        folder: `pathlib.Path` of the folder of all entries.
    """

    def __init__(self, path, request, folder):
        question = repr((_FORMAT, str(path), str(path.absolute()), request))
        self.path = path
        self.entry = (
            folder / f"{hashlib.blake2b(question.encode(), digest_size=32).hexdigest()}.npz"
        )
        self.fingerprint = fingerprint(path)

    def load(self):
        """The words, the matrix and the facts that were stored, or `None`."""
        try:
            with np.load(self.entry, allow_pickle=False) as arrays:
                kept = json.loads(arrays["facts"].tobytes())
                if kept["fingerprint"] != self.fingerprint:
                    return None
                matrix = arrays["matrix"]
                words = arrays["words"].tobytes().decode().split("\n") if len(matrix) else []
        except Exception:
            return None
        with contextlib.suppress(OSError):
            os.utime(self.entry)
        return words, matrix, kept["facts"]

    def store(self, words, matrix, facts):
        """Stores an answer, if the file is still the same and there is room."""
        if matrix.nbytes > MOST_BYTES // 4:
            return
        with contextlib.suppress(OSError):
            if fingerprint(self.path) != self.fingerprint:
                return
            kept = json.dumps({"fingerprint": self.fingerprint, "facts": facts})
            folder = self.entry.parent
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as file:
                beside = Path(file.name)
            try:
                with beside.open("wb") as file:
                    np.savez(
                        file,
                        facts=np.frombuffer(kept.encode(), np.uint8),
                        words=np.frombuffer("\n".join(words).encode(), np.uint8),
                        matrix=matrix,
                    )
                beside.replace(self.entry)
            finally:
                beside.unlink(missing_ok=True)
            _remove_the_oldest(folder)


def fingerprint(path):
    """What tells one state of a file from another without reading all of it.

    Its size, times and number on the disk, and a checksum of sixteen blocks of 64 KiB, the first
    and the last among them. What goes unnoticed is a file changed in place, outside those blocks,
    with the same size, and within the same tick of the file system's clock as the change before.

    Args:
        path: `pathlib.Path` of the file.

    Returns:
        A list of integers and a string.
    """
    digest = hashlib.blake2b(digest_size=32)
    facts = path.stat()
    with path.open("rb") as file:
        last = max(facts.st_size - _SAMPLE, 0)
        for number in range(_SAMPLES):
            file.seek(last * number // (_SAMPLES - 1))
            digest.update(file.read(_SAMPLE))
    return [facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino, digest.hexdigest()]


def _remove_the_oldest(folder):
    files = [(path.stat(), path) for path in folder.iterdir()]
    together = 0
    for facts, path in sorted(files, key=lambda file: file[0].st_mtime_ns, reverse=True):
        together += facts.st_size
        if together > MOST_BYTES:
            path.unlink(missing_ok=True)
