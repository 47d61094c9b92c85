"""Word vectors: the wanted rows of a large text file, all of its rows, packed files, a second load.

The file is made here: words of one to four syllables, the frequent ones short, many of them not
ASCII, and 100 numbers with five significant digits as GloVe writes them, about 870 bytes a row.

Two rows of the tables compute less than the others. The limit, `path.read_bytes()`, is what the
reading of a file is usually taken to cost; most of that is memory that is touched for the first
time, so that reading in blocks of 1 MB into nothing is faster still, and stands beside it.
"""

import csv
import gzip
import os
from pathlib import Path
import tempfile
import zipfile

from dlnotes.vectors import load_vectors
from gensim.models import KeyedVectors
import numpy as np
import pandas as pd
import polars as pl
from side_by_side import Subject, main

SIZES = (3_410, 16_000, 73_000, 341_000)
TINY = (50, 100, 200, 400)
DIMENSION = 100
WANTED = 20_000 / 341_000
BLOCK = 1 << 20
SYLLABLES = [first + second for first in "bcdfghklmnprstvwz" for second in ("a", "e", "i", "ó")]
FOLDER = "DLNOTES_BENCHMARK_FOLDER"


def word(number):
    """A word for each number, in bijective numeration: no two are equal."""
    text = ""
    while number >= 0:
        number, syllable = divmod(number, len(SYLLABLES))
        text += SYLLABLES[syllable]
        number -= 1
    return text


def text_file(rows):
    """The path of a file of word vectors; it is written once for all contestants."""
    path = Path(os.environ[FOLDER], f"{rows}.txt")
    if path.exists():
        return path
    random = np.random.default_rng(rows)
    numbers = [f"{number:.5g}" for number in random.normal(0, 0.4, 200_000)]
    parts = [" ".join(numbers[start : start + 20]) for start in range(0, len(numbers), 20)]
    with path.with_suffix(".part").open("w", encoding="utf-8") as file:
        for start in range(0, rows, 1000):
            chosen = random.integers(0, len(parts), (min(1000, rows - start), DIMENSION // 20))
            file.writelines(
                f"{word(start + row)} {' '.join([parts[part] for part in of])}\n"
                for row, of in enumerate(chosen.tolist())
            )
    return path.with_suffix(".part").replace(path)


def gzipped_file(rows):
    """The path of the same file, gzipped."""
    path = Path(os.environ[FOLDER], f"{rows}.txt.gz")
    if not path.exists():
        path.write_bytes(gzip.compress(text_file(rows).read_bytes(), 6))
    return path


def zipped_file(rows):
    """The path of the same file in a zip archive."""
    path = Path(os.environ[FOLDER], f"{rows}.zip")
    if not path.exists():
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(text_file(rows), "vectors.txt")
    return path


def preparation(file):
    """A `prepare` for a kind of file: its path and the words wanted from it."""

    def prepare(rows):
        chosen = np.random.default_rng(1).choice(rows, round(WANTED * rows) or 1, replace=False)
        return file(rows), [word(number) for number in chosen.tolist()]

    return prepare


def difference(data, ours, theirs):
    """The largest distance of two numbers of one word; infinite if the words are not the same."""
    if theirs is None:
        return 0.0
    (our_words, our_matrix), (their_words, their_matrix) = ours, theirs
    if sorted(our_words) != sorted(their_words):
        return np.inf
    row = {word: row for row, word in enumerate(their_words)}
    return np.abs(our_matrix - their_matrix[[row[word] for word in our_words]]).max()


def library(path, words):
    vectors = load_vectors(path, words, cache=False)
    return vectors.words, vectors.matrix


def tutorial_loop(lines, words):
    index = {}
    for line in lines:
        values = line.split()
        index[values[0]] = np.asarray(values[1:], dtype="float32")
    words = list(index) if words is None else words
    return words, np.stack([index[word] for word in words])


def python_filter(path, words):
    wanted = {word.encode() for word in words}
    found, rows = [], []
    with path.open("rb") as lines:
        for line in lines:
            name, _, numbers = line.partition(b" ")
            if name in wanted:
                found.append(name.decode())
                rows.append(np.array(numbers.split(), dtype="float32"))
    return found, np.stack(rows)


def by_gensim(path, words):
    vectors = KeyedVectors.load_word2vec_format(str(path), binary=False, no_header=True)
    return (vectors.index_to_key, vectors.vectors) if words is None else (words, vectors[words])


def by_pandas(path, words):
    frame = pd.read_csv(
        path,
        sep=" ",
        header=None,
        quoting=csv.QUOTE_NONE,
        na_filter=False,
        dtype={0: str} | dict.fromkeys(range(1, DIMENSION + 1), "float32"),
    )
    if words is not None:
        frame = frame[frame[0].isin(words)]
    return frame[0].tolist(), frame.iloc[:, 1:].to_numpy()


def by_polars(path, words):
    numbers = {str(column): pl.Float32 for column in range(DIMENSION)}
    frame = pl.read_csv(
        path, separator=" ", has_header=False, quote_char=None, schema={"word": pl.String} | numbers
    )
    if words is not None:
        frame = frame.filter(pl.col("word").is_in(words))
    return frame["word"].to_list(), frame.drop("word").to_numpy()


def by_tutorial(path, words):
    with path.open(encoding="utf-8") as lines:
        return tutorial_loop(lines, words)


def by_tutorial_from_gzip(path, words):
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return tutorial_loop(lines, words)


def by_tutorial_from_zip(path, words):
    with zipfile.ZipFile(path) as archive, archive.open("vectors.txt") as lines:
        return tutorial_loop((line.decode() for line in lines), words)


def in_blocks(stream):
    while stream.read(BLOCK):
        pass


def read_in_blocks(path, words):
    with path.open("rb", buffering=0) as stream:
        in_blocks(stream)


def gunzip(path, words):
    with gzip.open(path) as stream:
        in_blocks(stream)


def unzip(path, words):
    with zipfile.ZipFile(path) as archive, archive.open("vectors.txt") as stream:
        in_blocks(stream)


def prepare_cache(rows):
    """The file and the words, once loaded. Files below 8 MB, the smallest here, are not cached."""
    path, words = preparation(text_file)(rows)
    load_vectors(path, words)
    return path, words


def second_load(path, words):
    vectors = load_vectors(path, words)
    return vectors.words, vectors.matrix


def wanted_rows(contestant):
    return lambda data: contestant(*data)


def all_rows(contestant):
    return lambda data: contestant(data[0], None)


COMMON = {
    "unit": "rows in the file",
    "tiny": TINY,
    "ours": "dlnotes",
    "difference": difference,
    "tolerance": 1e-6,
}
READ = "reading the bytes"
BLOCKS = "reading blocks, no more"


def packed(kind, kind_in_words, file, by_tutorial_from_it, decompress):
    """The wanted rows of a packed file, which cannot be read faster than it is decompressed."""
    return Subject(
        name=f"wanted_rows_of_{kind}",
        title=f"4,300 wanted rows of a {kind_in_words}",
        sizes=(341, *SIZES[:3]),
        prepare=preparation(file),
        contestants={
            "dlnotes": wanted_rows(library),
            "tutorial loop": wanted_rows(by_tutorial_from_it),
            "pandas": wanted_rows(by_pandas),
            "decompressing": wanted_rows(decompress),
        },
        limit="decompressing",
        most={"tutorial loop": 16_000},
        goals={"decompressing": 1 / 1.3},
        **COMMON,
    )


SUBJECTS = [
    Subject(
        name="wanted_rows",
        title="20,000 wanted rows of a file of word vectors",
        sizes=SIZES,
        prepare=preparation(text_file),
        contestants={
            "dlnotes": wanted_rows(library),
            "tutorial loop": wanted_rows(by_tutorial),
            "gensim": wanted_rows(by_gensim),
            "pandas": wanted_rows(by_pandas),
            "polars": wanted_rows(by_polars),
            "Python filter": wanted_rows(python_filter),
            BLOCKS: wanted_rows(read_in_blocks),
            READ: wanted_rows(lambda path, words: path.read_bytes()),
        },
        limit=READ,
        most={"gensim": 73_000},
        goals={"tutorial loop": 12, "gensim": 40, READ: 1 / 2.5},
        **COMMON,
    ),
    Subject(
        name="all_rows",
        title="All rows of a file of word vectors",
        sizes=SIZES,
        prepare=preparation(text_file),
        contestants={
            "dlnotes": all_rows(library),
            "tutorial loop": all_rows(by_tutorial),
            "gensim": all_rows(by_gensim),
            "pandas": all_rows(by_pandas),
            "polars": all_rows(by_polars),
            BLOCKS: all_rows(read_in_blocks),
            READ: all_rows(lambda path, words: path.read_bytes()),
        },
        limit=READ,
        most={"gensim": 16_000, "tutorial loop": 73_000},
        goals={"pandas": 1, "polars": 1},
        **COMMON,
    ),
    packed("gzip", "gzipped file", gzipped_file, by_tutorial_from_gzip, gunzip),
    packed("zip", "file in a zip archive", zipped_file, by_tutorial_from_zip, unzip),
    Subject(
        name="second_load",
        title="20,000 wanted rows of a file that was loaded before",
        sizes=SIZES,
        prepare=prepare_cache,
        contestants={
            "dlnotes": wanted_rows(second_load),
            "dlnotes, cache=False": wanted_rows(library),
            READ: wanted_rows(lambda path, words: path.read_bytes()),
        },
        limit=READ,
        within=0.05,
        **COMMON,
    ),
]


def run():
    """Runs in a folder of its own, which the processes that measure memory share."""
    if FOLDER in os.environ:
        main(__doc__, SUBJECTS)
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {FOLDER: folder, "DLNOTES_CACHE": str(Path(folder, "cache"))}
        main(__doc__, SUBJECTS)


if __name__ == "__main__":
    run()
