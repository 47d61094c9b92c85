import gzip
from unittest import mock

from dlnotes import _decimals, _vector_rows, vectors
from dlnotes._decimals import read_decimals
from dlnotes._vector_rows import Blocks, Wanted, plain_rows, with_results
from dlnotes.errors import InputError
from dlnotes.vectors import load_vectors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

CHECKED = settings(
    derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=200
)
PLAIN_NUMBERS = ["0.5", "-0.25", "1.123456", "-9.99999999999999", "0.12345678901234", "-0.0"]
OTHER_NUMBERS = ["12.5", "1e-5", "-3", "1.", ".5", "+0.5", "0.123456789012345678", "7.0E2"]
BROKEN_NUMBERS = ["", "nan", "inf", "1e40", "1_0", "1,5", "0.5x", "-", "0.5\t", "0.:5", "0./5", "é"]
WORDS = ["a", "b", "cat", "naïve", "новый", "2013", "x\x1c", "w\x00"]
BROKEN_WORDS = ["", "x y", "at 1 b", "\ufeffa", "a\t", "x" * 70]


def bits(numbers):
    return np.asarray(numbers, np.float32).view(np.uint32).tolist()


def one_by_one(fields):
    """The numbers as `float` reads them, or `None`."""
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        return None
    with np.errstate(over="ignore"):
        numbers = np.array(numbers, np.float64).astype(np.float32)
    broken = "_" in "".join(fields) or not np.isfinite(numbers).all()
    return None if broken else bits(numbers)


@pytest.mark.parametrize("written", ["{:.4f}", "{:.6f}", "{:.5g}", "{:.9f}", "{:.14f}", "{!r}"])
def test_numbers_of_files_are_what_float_reads(rng, written):
    fields = [written.format(number) for number in rng.normal(0, 1, 30_000).tolist()]
    read = read_decimals(" ".join(fields).encode(), len(fields))
    assert bits(read) == one_by_one(fields)


@CHECKED
@given(
    fields=st.lists(
        st.one_of(
            st.sampled_from(PLAIN_NUMBERS + OTHER_NUMBERS + BROKEN_NUMBERS),
            st.from_regex(r"-?[0-9]\.[0-9]{1,17}", fullmatch=True, alphabet="0123456789-."),
            st.floats(width=32).map(repr),
            st.text("0123456789.-+e:/", max_size=12),
        ),
        min_size=1,
        max_size=30,
    ),
    batch=st.integers(1, 60),
)
def test_any_numbers_are_what_float_reads_or_nothing(fields, batch):
    with mock.patch.object(_decimals, "_BATCH", batch):
        read = read_decimals(" ".join(fields).encode(), len(fields))
    assert (None if read is None else bits(read)) == one_by_one(fields)


def test_another_count_of_numbers_is_nothing():
    assert read_decimals(b"0.5 0.25 1.5", 3).tolist() == [0.5, 0.25, 1.5]
    assert read_decimals(b"0.5 0.25 1.5", 2) is None
    assert read_decimals(b"0.5 0.25 1.5", 4) is None
    assert read_decimals(b"", 0).shape == (0,)


@CHECKED
@given(content=st.text("ab\n", max_size=60), size=st.integers(1, 30))
def test_blocks_are_whole_lines_and_all_of_the_stream(tmp_path_factory, content, size):
    path = tmp_path_factory.mktemp("blocks") / "file"
    path.write_bytes(content.encode())
    with mock.patch.object(_vector_rows, "BLOCK", size), path.open("rb") as stream:
        blocks = list(Blocks(stream))
    assert all(block.endswith(b"\n") for block in blocks)
    whole = content.encode()
    assert b"".join(blocks) == whole + b"\n" * (bool(whole) and not whole.endswith(b"\n"))


def test_the_lines_before_a_break_still_come(tmp_path):
    lines = b"".join(b"word%d 0.5\n" % number for number in range(5000))
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(lines)[:-2000])
    with gzip.open(path) as stream:
        blocks = Blocks(stream)
        came = b"".join(blocks)
    assert isinstance(blocks.failure, EOFError)
    assert 0 < len(came) < len(lines) and lines.startswith(came) and came.endswith(b"\n")
    last = len(came.splitlines())
    with pytest.raises(InputError, match=rf"cannot be read after line {last} \("):
        load_vectors(path)


def test_results_come_in_order_each_with_its_item():
    assert list(with_results(lambda item: item**2, range(50))) == [(i, i**2) for i in range(50)]


@pytest.mark.parametrize("end", ["\n", " \n", "\r\n", " \r\n"])
def test_what_plain_rows_are(end):
    block = "".join(row + end for row in ["naïve 0.5 12", "b 1e5 0.25", "c -0.5 0.75"]).encode()
    lines, words, matrix = plain_rows(block, 2, None)
    assert (lines, words) == (3, ["naïve".encode(), b"b", b"c"])
    assert matrix.tolist() == [[0.5, 12], [1e5, 0.25], [-0.5, 0.75]]
    lines, words, matrix = plain_rows(block, 2, Wanted({b"c", b"z"}))
    assert (lines, words, matrix.tolist()) == (3, [b"c"], [[-0.5, 0.75]])
    assert plain_rows(block, 2, Wanted({b"z"}))[2].shape == (0, 2)


@pytest.mark.parametrize(
    "line",
    [b"", b" 1 2", b"a 1", b"a 1 2 3", b"x y 1 2", b"a  1 2", b"a 1 2\t", b"a 1 2  ", b"\xff 1 2"],
)
def test_other_rows_are_left_to_the_slow_way(line):
    block = b"b 0.5 0.5\n" + line + b"\nc 0.5 0.5\n"
    assert plain_rows(block, 2, Wanted({b"c"})) is None
    assert plain_rows(b"b 0.5 0.5\nc 0.5 0.5\n", 2, Wanted({b"c"})) is not None


@st.composite
def files(draw):
    """Files of rows, of which few or none are broken."""
    dimension = draw(st.integers(1, 3))
    broken = draw(st.booleans())
    end = draw(st.sampled_from(["\n", " \n", "\r\n"]))
    word = st.sampled_from(WORDS)
    number = st.sampled_from(PLAIN_NUMBERS + OTHER_NUMBERS[:2])
    lines = []
    for _ in range(draw(st.integers(0, 10))):
        width = dimension
        if broken and draw(st.integers(0, 3)) == 0:
            word = st.sampled_from(WORDS + BROKEN_WORDS)
            number = st.sampled_from(PLAIN_NUMBERS + OTHER_NUMBERS + BROKEN_NUMBERS)
            width = draw(st.integers(0, 4))
        row = [draw(word), *draw(st.lists(number, min_size=width, max_size=width))]
        lines.append((" ".join(row) + end).encode())
        if broken:
            lines[-1] = draw(st.sampled_from([b""] * 8 + [b"\xff", b"\n", b" \r\n"])) + lines[-1]
    if draw(st.booleans()):
        lines.insert(0, f"{len(lines)} {dimension}\n".encode())
    content = b"".join(lines)
    return draw(st.sampled_from([content, content.rstrip(), b"\xef\xbb\xbf" + content]))


def outcome(path, vocabulary, **options):
    """Everything that a call says."""
    try:
        read = load_vectors(path, vocabulary, **options)
    except InputError as error:
        return str(error)
    shape, numbers = read.matrix.shape, bits(read.matrix)
    counts = (read.rows_read, read.duplicates, read.skipped)
    return read.words, shape, numbers, counts, read.problems


@CHECKED
@given(
    content=files(),
    block=st.integers(1, 60),
    vocabulary=st.sampled_from([None, ["a", "cat", "naïve", "x y"], ["z"]]),
    dimension=st.sampled_from([None, None, 2]),
)
def test_both_ways_agree(tmp_path_factory, content, block, vocabulary, dimension):
    path = tmp_path_factory.mktemp("ways") / "file"
    path.write_bytes(content)
    for errors in ("raise", "skip"):
        asked = {"vocabulary": vocabulary, "dimension": dimension, "errors": errors}
        with mock.patch.object(vectors, "plain_rows", lambda *_, **__: None):
            line_by_line = outcome(path, **asked)
        for size in (block, 1 << 20):
            with mock.patch.object(_vector_rows, "BLOCK", size):
                assert outcome(path, **asked) == line_by_line


@pytest.mark.parametrize("vocabulary", [None, ["w3", "w77"]])
def test_plain_files_never_take_the_slow_way(tmp_path, monkeypatch, vocabulary):
    rows = [f"w{number} 0.{number} -1.5" for number in range(100)]
    path = tmp_path / "file"
    path.write_text("\n".join(["100 2", *rows]))
    expected = outcome(path, vocabulary)
    monkeypatch.setattr(vectors._Rows, "_add_lines", None)
    monkeypatch.setattr(_vector_rows, "BLOCK", 200)
    assert outcome(path, vocabulary) == expected


def test_one_line_out_of_the_ordinary_costs_its_block_alone(tmp_path, monkeypatch):
    rows = [f"w{number} 0.{number} -1.5" for number in range(100)]
    rows[50] = "new york 0.5 0.5"
    path = tmp_path / "file"
    path.write_text("\n".join(rows))
    split = mock.Mock(wraps=vectors._split)
    monkeypatch.setattr(vectors, "_split", split)
    monkeypatch.setattr(_vector_rows, "BLOCK", 200)
    assert load_vectors(path)["new york"].tolist() == [0.5, 0.5]
    assert mock.call(b"new york 0.5 0.5", 2) in split.mock_calls
    assert len(split.mock_calls) < 40


@CHECKED
@given(
    words=st.lists(st.text("abé \x00", max_size=20), min_size=1, max_size=8),
    wanted=st.sets(st.text("abé \x00", max_size=20), max_size=4),
)
def test_rows_that_may_hold_a_word_are_all_that_do_and_no_others_of_16_bytes(words, wanted):
    lines = [word.encode() + b" 0.5\n" for word in words]
    block = b"".join(lines)
    starts = np.cumsum([0, *map(len, lines[:-1])])
    may = Wanted({word.encode() for word in wanted}).may_hold(block, starts)
    beginnings = {word.encode().partition(b" ")[0][:16].rstrip(b"\0") for word in wanted}
    for word, start, chosen in zip(words, starts, may, strict=True):
        beginning = word.encode().partition(b" ")[0][:16].rstrip(b"\0")
        assert chosen == (beginning in beginnings or start > len(block) - 16)


@CHECKED
@given(st.lists(st.sampled_from([b"a", b" ", b"\n", b"\xc3", b"\xa9", b"\xf0\x9f", "é".encode()])))
def test_a_block_is_utf8_if_it_can_be_decoded(parts):
    block = b"".join(parts)
    try:
        block.decode()
        decodes = True
    except UnicodeDecodeError:
        decodes = False
    assert _vector_rows._is_utf8(np.frombuffer(block, np.uint8)) == decodes
