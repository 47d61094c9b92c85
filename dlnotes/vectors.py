"""Word vectors: reads the rows that a vocabulary needs and lays them out for an embedding."""

from collections import Counter
import contextlib
from dataclasses import dataclass, field
import functools
import gzip
import itertools
from pathlib import Path
import re
import zipfile

from dlnotes._vector_cache import cache_entry
from dlnotes._vector_rows import DAMAGED, Blocks, Wanted, plain_rows, with_results
from dlnotes.errors import InputError
import numpy as np

PADDING, UNKNOWN = "", "[UNK]"

_HEADER = re.compile(rb"(\d+) (\d+)")
_NUMBER = re.compile(rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_MARK = b"\xef\xbb\xbf"
_PROBLEMS_KEPT = 20
_FACTS = ("rows_read", "duplicates", "skipped", "problems")


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Words and their vectors.

    `len(vectors)`, `"word" in vectors`, `vectors["word"]` and `for word in vectors` do what they
    say.

    Args:
        words: List of strings.
        matrix: Array of shape `(words, dimension)`, one row for each word.
        rows_read: Integer, rows that the file holds, wanted or not.
        duplicates: Integer, further rows of words that had been read already.
        skipped: Integer, broken lines left out (`errors="skip"`).
        problems: List of strings, the first twenty problems, with line numbers.

    Example:

    >>> import numpy as np
    >>> from dlnotes.vectors import WordVectors
    >>> vectors = WordVectors(["cat", "dog"], np.eye(2))
    >>> vectors["dog"]
    array([0., 1.])
    """

    words: list
    matrix: np.ndarray
    rows_read: int = 0
    duplicates: int = 0
    skipped: int = 0
    problems: list = field(default_factory=list)

    def __post_init__(self):
        if self.matrix.ndim != 2 or len(self.matrix) != len(self.words):
            raise InputError(
                f"`matrix` has shape {self.matrix.shape}, but must hold one row for each of the "
                f"{len(self.words)} words."
            )

    @property
    def dimension(self):
        """Numbers in a vector."""
        return self.matrix.shape[1]

    @functools.cached_property
    def index(self):
        """The row of each word, as a dictionary."""
        return {word: row for row, word in enumerate(self.words)}

    def __len__(self):
        return len(self.words)

    def __iter__(self):
        return iter(self.words)

    def __contains__(self, word):
        return word in self.index

    def __getitem__(self, word):
        return self.matrix[self.index[word]]

    def __str__(self):
        return (
            f"{len(self):,} word vectors of {self.dimension} numbers, out of {self.rows_read:,} "
            f"rows; {self.duplicates:,} duplicates and {self.skipped:,} broken lines left out"
        )


def load_vectors(
    path,
    vocabulary=None,
    *,
    dimension=None,
    lower_case_fallback=False,
    member=None,
    errors="raise",
    cache=True,
):
    """Reads word vectors in the text formats of GloVe, word2vec and fastText.

    One row a line: the word, then its numbers, separated by single spaces. The file may be plain,
    gzipped or in a zip archive, and may start with a header of two integers (rows and dimension).
    Words may contain spaces, as some of GloVe 840B do. The file is streamed, and only the numbers
    of the words asked for are read and kept, so 20,000 words of a large file take little memory.
    Blocks of plain rows are read at once and several at a time, all others line by line; the answer
    is the same.

    What was read from a file of 8 MB or more is kept in the folder `vectors` of
    `dlnotes.download.cache_folder()` (the variable `DLNOTES_CACHE` sets it), at most 2 GB in all,
    the least recently used going first; the folder may be deleted at any time. It is used again for
    the same path, words and arguments while the file is the same by size, times, number on the disk
    and sixteen blocks of its content. A change of other blocks alone is noticed by the times, thus
    not if it came within the same tick of the file system's clock as the change before (a few
    milliseconds, on some network and removable disks two seconds) and left the size as it was.

    The width and the encoding of every row are checked, the numbers of the rows that are kept.
    Nothing is guessed: a line that is not a row, or a header that promises another number of rows
    than there are, is refused with its line number, or left out and counted.

    Reference: notes 002:507-510. Pennington, Socher, Manning, "GloVe: Global Vectors for Word
    Representation", 2014.

    Args:
        path: Path of the file. Its format is recognised by its content.
        vocabulary: Iterable of strings, the words to read, such as
            `TextVectorization.get_vocabulary()`. Defaults to all words of the file.
        dimension: Integer, numbers in a row. Needed only where there is no header and the first
            word contains a space. Defaults to what the header or the first row says.
        lower_case_fallback: Boolean, whether to read the lower-case form of each word too. Many
            files, such as GloVe 6B, hold lower-case words only. Defaults to `False`.
        member: String, the name of the file inside a zip archive that holds several.
        errors: `"raise"`, or `"skip"` to leave broken lines out and count them. Defaults to
            `"raise"`.
        cache: Boolean, whether to use what an earlier call kept, and to keep it. Defaults to
            `True`.

    Returns:
        A `WordVectors` in the order of the file, float32. Of several rows of one word the first
        wins.

    Raises:
        InputError: If the file cannot be read or a line is broken.

    Example:

    >>> from dlnotes import datasets, vectors
    >>> found = vectors.load_vectors(datasets.glove_path(), ["cat", "dog", "no such word"])
    >>> found.words, found.matrix.shape
    (['dog', 'cat'], (2, 100))
    """
    path = Path(path)
    wanted = _wanted(vocabulary, lower_case_fallback)
    problems = _Problems(errors)
    entry = cache_entry(path, wanted, dimension, member, errors) if cache else None
    if entry and (kept := entry.load()):
        words, matrix, facts = kept
        return WordVectors(words, matrix, **facts)
    rows = _Rows(path, wanted, problems)
    try:
        with _opened(path, member) as stream:
            rows.read(stream, dimension)
    except DAMAGED as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"{path} cannot be read after line {rows.last} ({reason}). Check the path, or fetch "
            "the file again."
        ) from error
    vectors = rows.finished()
    if entry:
        facts = {name: getattr(vectors, name) for name in _FACTS}
        entry.store(vectors.words, vectors.matrix, facts)
    return vectors


@dataclass(frozen=True)
class Coverage:
    """How much of a vocabulary has a vector. `print` shows it.

    Args:
        words: Integer, words in the vocabulary, without padding and unknown.
        found: Integer, those that have a vector.
        lower_cased: Integer, those among the found that have it by their lower-case form.
        missing: List of strings, the words without a vector, the most frequent first.
        tokens: Integer, occurrences of the vocabulary's words, or `None` without counts.
        tokens_found: Integer, occurrences of words with a vector, or `None` without counts.

    Example:

    >>> from dlnotes.vectors import Coverage
    >>> print(Coverage(words=4, found=3, lower_cased=0, missing=["qi"]))
    3 of 4 words have a vector (75.0 %). Without: qi.
    """

    words: int
    found: int
    lower_cased: int
    missing: list
    tokens: int | None = None
    tokens_found: int | None = None

    @property
    def share_of_words(self):
        """Share of the vocabulary's words that have a vector."""
        return self.found / max(self.words, 1)

    @property
    def share_of_tokens(self):
        """Share of the words' occurrences that have a vector, or `None` without counts."""
        return None if self.tokens is None else self.tokens_found / max(self.tokens, 1)

    def __str__(self):
        text = f"{self.found:,} of {self.words:,} words have a vector ({self.share_of_words:.1%})"
        if self.lower_cased:
            text += f", {self.lower_cased:,} of them by their lower-case form"
        if self.tokens is not None:
            text += f", which is {self.share_of_tokens:.1%} of {self.tokens:,} tokens"
        if self.missing:
            more = f" and {len(self.missing) - 10:,} more" if len(self.missing) > 10 else ""
            text += f". Without: {', '.join(self.missing[:10])}{more}"
        return text.replace("%", " %") + "."


def embedding_matrix(vectors, vocabulary, *, counts=None, lower_case_fallback=False, seed=0):
    """Lays word vectors out as the weights of an embedding layer: row `i` for word `i`.

    Row 0 (padding) is zero. Row 1 (unknown) is the mean of the vectors found. A word without a
    vector gets a random one, drawn from a normal distribution with the mean and the standard
    deviation that each dimension has among the vectors found, so that it is neither padding nor out
    of scale.

    Reference: notes 002:507-510.

    Args:
        vectors: A `WordVectors`.
        vocabulary: List of strings that starts with `""` (padding) and `"[UNK]"` (unknown), as
            `keras.layers.TextVectorization.get_vocabulary()` returns it. Anything else is refused,
            since the rows would then not be those that the ids mean.
        counts: Mapping of word to occurrences (a `collections.Counter`), for the coverage in
            tokens. Defaults to none.
        lower_case_fallback: Boolean, whether a word without a vector takes that of its lower-case
            form. Defaults to `False`.
        seed: Integer, seed of the random rows. Defaults to `0`.

    Returns:
        The matrix, float32 of shape `(len(vocabulary), dimension)`, and its `Coverage`.

    Raises:
        InputError: If the vocabulary does not start as above or repeats a word, or if no word of it
            has a vector.

    Example:

    >>> from dlnotes import datasets, vectors
    >>> glove = vectors.load_vectors(datasets.glove_path())
    >>> vocabulary = ["", "[UNK]", "cat", "qwertz"]
    >>> matrix, coverage = vectors.embedding_matrix(glove, vocabulary)
    >>> matrix.shape
    (4, 100)
    >>> print(coverage)
    1 of 2 words have a vector (50.0 %). Without: qwertz.
    """
    vocabulary = [str(word) for word in vocabulary]
    words = vocabulary[2:]
    _check_vocabulary(vocabulary)
    rows = [vectors.index.get(word) for word in words]
    lower_cased = 0
    if lower_case_fallback:
        direct = rows
        rows = [
            vectors.index.get(word.lower()) if row is None else row
            for word, row in zip(words, direct, strict=True)
        ]
        lower_cased = direct.count(None) - rows.count(None)
    has_vector = np.array([row is not None for row in rows], bool)
    if not has_vector.any():
        raise InputError(
            f"None of the {len(words):,} words of `vocabulary` has a vector; it starts with "
            f"{words[:3]}, the vectors with {vectors.words[:3]}. Are language, case "
            "(`lower_case_fallback=True`) and splitting the same?"
        )
    known = vectors.matrix[[row for row in rows if row is not None]]
    mean, deviation = known.mean(axis=0), known.std(axis=0)

    matrix = np.zeros((len(vocabulary), vectors.dimension), "float32")
    matrix[1] = mean
    matrix[2:][has_vector] = known
    absent = np.sum(~has_vector)
    random = np.random.default_rng(seed)
    matrix[2:][~has_vector] = random.normal(mean, deviation, (absent, vectors.dimension))

    missing = [word for word, present in zip(words, has_vector, strict=True) if not present]
    tokens = tokens_found = None
    if counts is not None:
        missing.sort(key=lambda word: -counts.get(word, 0))
        tokens = sum(counts.get(word, 0) for word in words)
        tokens_found = tokens - sum(counts.get(word, 0) for word in missing)
    found = len(words) - len(missing)
    return matrix, Coverage(len(words), found, lower_cased, missing, tokens, tokens_found)


def _check_vocabulary(vocabulary):
    if vocabulary[:2] != [PADDING, UNKNOWN]:
        raise InputError(
            f"`vocabulary` starts with {vocabulary[:2]}, but must start with '' (padding, id 0) "
            "and '[UNK]' (unknown, id 1), as `TextVectorization.get_vocabulary()` gives it: else "
            "every id would meet another word's row. Put the two in front."
        )
    if len(set(vocabulary)) < len(vocabulary):
        twice = next(word for word, times in Counter(vocabulary).items() if times > 1)
        raise InputError(f"`vocabulary` holds {twice!r} more than once: a word has one id.")


class _BrokenLineError(Exception):
    """Says what is wrong with a line."""


class _Problems:
    """Raises each problem, or counts the broken lines and keeps the first problems."""

    def __init__(self, errors):
        if errors not in ("raise", "skip"):
            raise InputError(f'`errors` is {errors!r}, but must be "raise" or "skip".')
        self.errors = errors
        self.broken_lines = 0
        self.kept = []

    def add(self, problem, broken_lines=1):
        if self.errors == "raise":
            raise InputError(f'{problem} Mend the file, or leave such lines out: errors="skip".')
        self.broken_lines += broken_lines
        if len(self.kept) < _PROBLEMS_KEPT:
            self.kept.append(problem)


def _wanted(vocabulary, lower_case_fallback):
    """The words to read as a set of bytes, or `None` for all."""
    if vocabulary is None:
        return None
    words = set(vocabulary)
    kinds = set(map(type, words))
    if isinstance(vocabulary, str) or not all(issubclass(kind, str) for kind in kinds):
        raise InputError(
            "`vocabulary` must be a list of words such as ['cat', 'dog'], not a single text, "
            "bytes or numbers."
        )
    if lower_case_fallback:
        words |= {word.lower() for word in words}
    return {word.encode() for word in words}


@contextlib.contextmanager
def _opened(path, member):
    """Opens a plain, gzipped or zipped file as a binary stream."""
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(0)
        if start in (b"PK\x03\x04", b"PK\x05\x06"):
            archive = zipfile.ZipFile(file)
            with archive, archive.open(_member(path, archive, member)) as stream:
                yield stream
        elif member is not None:
            raise InputError(f"`member` is {member!r}, but {path} is no zip archive.")
        elif start.startswith(b"\x1f\x8b"):
            with gzip.open(file) as stream:
                yield stream
        else:
            yield file


def _member(path, archive, member):
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    texts = [name for name in names if name.endswith((".txt", ".vec"))] or names
    if member is None and len(texts) == 1:
        return texts[0]
    if member not in names:
        came = "holds several files" if member is None else f"holds no {member!r}"
        listed = ", ".join(repr(name) for name in names) or "nothing"
        raise InputError(f"{path} {came}. Choose with `member` among: {listed}.")
    return member


class _Rows:
    """Collects rows: a block of plain ones at once, any other line by line.

    `last` is the number of the last line that is a row or a header; empty lines after it count only
    once a further row follows.
    """

    def __init__(self, path, wanted, problems):
        self.path, self.wanted, self.problems = path, wanted, problems
        self.promised = None
        self.dimension = None
        self.found, self.numbers, self.duplicates = {}, bytearray(), 0
        self.lines, self.last, self.empty = 0, 0, []

    def read(self, stream, dimension):
        blocks = Blocks(stream)
        every_block = self._after_the_header(blocks, dimension)
        wanted = None if self.wanted is None else Wanted(self.wanted)
        look = functools.partial(plain_rows, dimension=self.dimension, wanted=wanted)
        for block, plain in with_results(look, every_block):
            if plain is None or self.empty:
                self._add_lines(block)
            else:
                self._add_plain(*plain)
        if blocks.failure:
            raise blocks.failure

    def _after_the_header(self, blocks, dimension):
        """Finds out about header and dimension. Returns the blocks without the header."""
        remaining = iter(blocks)
        beginning, first_lines = next(remaining, b"").removeprefix(_MARK), []
        while beginning:
            first_lines = [line for _, line in itertools.islice(self._numbered(beginning), 2)]
            self.lines, self.empty = 0, []
            more = len(first_lines) < 2 and next(remaining, b"")
            if not more:
                break
            beginning += more
        if not first_lines:
            if blocks.failure:
                raise blocks.failure
            raise InputError(f"{self.path} is empty: give a file of word vectors.")
        self.promised, self.dimension = _header(self.path, first_lines, dimension)
        if self.promised is not None:
            self.lines = self.last = 1
            beginning = beginning.partition(b"\n")[2]
        return itertools.chain([beginning] if beginning else [], remaining)

    def _numbered(self, block):
        """Numbers the lines, strips their ends and holds back empty ones while no other follows."""
        for line in block[:-1].split(b"\n"):
            self.lines += 1
            line = line.rstrip()
            if not line:
                self.empty.append((self.lines, line))
                continue
            yield from self.empty
            self.empty.clear()
            yield self.lines, line

    def _add_lines(self, block):
        for number, line in self._numbered(block):
            self.last = number
            try:
                word, numbers = _split(line, self.dimension)
                if self.wanted is not None and word not in self.wanted:
                    continue
                if word in self.found:
                    self.duplicates += 1
                    continue
                vector = _parse(numbers)
            except _BrokenLineError as broken:
                self.problems.add(f"{self.path}, line {number}: {broken}")
                continue
            self.numbers += vector.data
            self.found[word] = None

    def _add_plain(self, lines, words, matrix):
        self.lines += lines
        self.last = self.lines
        new = []
        for row, word in enumerate(words):
            if word not in self.found:
                self.found[word] = None
                new.append(row)
        if len(new) < len(words):
            self.duplicates += len(words) - len(new)
            matrix = matrix[new]
        if new:
            self.numbers += matrix.data

    def finished(self):
        """Checks the whole and makes the `WordVectors`."""
        rows_read = max(self.last - (self.promised is not None), 0)
        problems = self.problems
        if self.promised not in (None, rows_read):
            problems.add(
                f"{self.path}, line 1: the header promises {self.promised:,} rows, but "
                f"{rows_read:,} follow.",
                broken_lines=0,
            )
        if rows_read in (0, problems.broken_lines):
            message = f"{self.path} holds no row of word vectors"
            raise InputError("; ".join([message, *problems.kept[:1]]))
        matrix = np.frombuffer(self.numbers, dtype=np.float32)
        matrix = matrix.reshape(len(self.found), self.dimension)
        words = b"\n".join(self.found).decode().split("\n") if self.found else []
        return WordVectors(
            words, matrix, rows_read, self.duplicates, problems.broken_lines, problems.kept
        )


def _header(path, first_lines, dimension):
    """Looks at the first one or two lines: the rows that a header promises, and the dimension."""
    first = first_lines[0]
    header = _HEADER.fullmatch(first)
    is_row = header and header[2] != b"1" and len(first_lines) == 2 and _fits(first_lines[1], 1)
    if header and not is_row:
        promised, width = int(header[1]), int(header[2])
        if dimension not in (None, width):
            raise InputError(
                f"{path}, line 1: rows have {width} numbers, but `dimension` is {dimension}."
            )
        return promised, width
    if dimension is None:
        fields = first.split(b" ")[1:]
        if not fields or not all(_NUMBER.fullmatch(text) for text in fields):
            raise InputError(
                f"{path}, line 1: {_shown(first)} is neither a header (rows and dimension) nor a "
                "word with its numbers after single spaces. State `dimension` if the word contains "
                "a space; convert the file if it is binary."
            )
        dimension = len(fields)
    return None, dimension


def _fits(line, dimension):
    """Whether a line is a row of that dimension."""
    try:
        _parse(_split(line, dimension)[1])
    except _BrokenLineError:
        return False
    return True


def _split(line, dimension):
    """Divides a line into the bytes of its word and the bytes of its numbers."""
    spaces = line.count(b" ")
    if spaces == dimension:
        word, _, numbers = line.partition(b" ")
    elif spaces > dimension:
        word, *fields = line.rsplit(b" ", dimension)
        last = word.rpartition(b" ")[2]
        if not last or _NUMBER.fullmatch(last) or not all(map(_NUMBER.fullmatch, fields)):
            raise _BrokenLineError(
                f"{_shown(line)} has {spaces} fields after the word, not {dimension} numbers."
            )
        numbers = b" ".join(fields)
    else:
        raise _BrokenLineError(
            f"{_shown(line)} has {spaces} fields after the word, not {dimension} numbers."
        )
    if not word:
        raise _BrokenLineError("there is no word before the numbers.")
    if not word.isascii():
        try:
            word.decode()
        except UnicodeDecodeError:
            raise _BrokenLineError(f"{_shown(word)} is not UTF-8.") from None
    return word, numbers


def _parse(numbers):
    """The numbers as a float32 array."""
    try:
        if b"_" in numbers:
            raise ValueError
        with np.errstate(over="ignore"):
            vector = np.array(numbers.split(b" "), dtype=np.float32)
    except ValueError:
        raise _BrokenLineError(f"{_shown(numbers)} are not numbers.") from None
    if not np.isfinite(vector).all():
        raise _BrokenLineError(f"{_shown(numbers)} are not all finite in float32.")
    return vector


def _shown(text):
    """The start of a line, readable whatever its bytes are."""
    return repr(text[:40].decode(errors="replace")) + ("..." if len(text) > 40 else "")
