from collections import Counter
import gzip
from pathlib import Path
import re
import zipfile

from dlnotes import datasets
from dlnotes.errors import InputError
from dlnotes.vectors import Coverage, WordVectors, embedding_matrix, load_vectors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

ROWS = {"the": [0.5, -1.25, 2e-3], "cat": [1, 2, 3], "naïve": [0, 0.1, -0.0], "новый": [7, 8, 9]}


def as_text(rows, *, header=False, end="\n"):
    """Rows as GloVe, word2vec (`header`) or fastText (`header`, a space before the end) write."""
    lines = [" ".join([word, *map(str, numbers)]) for word, numbers in rows.items()]
    if header:
        lines.insert(0, f"{len(rows)} {len(next(iter(rows.values())))}")
    return "".join(line + end for line in lines).encode()


def write(folder, content, packing="plain"):
    path = folder / "vectors"
    if packing == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("vectors.txt", content)
    else:
        path.write_bytes(gzip.compress(content) if packing == "gz" else content)
    return path


def check(vectors, rows):
    assert vectors.words == list(rows)
    expected = np.array([[np.float32(number) for number in numbers] for numbers in rows.values()])
    assert vectors.matrix.dtype == np.float32
    np.testing.assert_array_equal(vectors.matrix, expected)


@pytest.mark.parametrize("packing", ["plain", "gz", "zip"])
@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("end", ["\n", " \n", "\r\n"])
def test_every_format_gives_every_row(tmp_path, packing, header, end):
    path = write(tmp_path, as_text(ROWS, header=header, end=end), packing)
    vectors = load_vectors(path)
    check(vectors, ROWS)
    assert (vectors.rows_read, vectors.duplicates, vectors.skipped) == (4, 0, 0)
    assert (len(vectors), vectors.dimension) == (4, 3)
    assert "cat" in vectors and "dog" not in vectors and list(vectors) == list(ROWS)
    np.testing.assert_array_equal(vectors["cat"], [1, 2, 3])
    assert str(vectors).startswith("4 word vectors of 3 numbers, out of 4 rows; 0 duplicates")


def test_only_the_rows_asked_for_are_kept(tmp_path):
    path = write(tmp_path, as_text(ROWS))
    vectors = load_vectors(path, np.array(["новый", "cat", "dog", "", "[UNK]"]))
    check(vectors, {word: ROWS[word] for word in ("cat", "новый")})
    assert vectors.rows_read == 4
    assert load_vectors(path, ["dog"]).matrix.shape == (0, 3)


def test_the_lower_case_form_is_read_on_request(tmp_path):
    path = write(tmp_path, as_text(ROWS))
    assert load_vectors(path, ["Cat", "THE"]).words == []
    assert load_vectors(path, ["Cat", "THE"], lower_case_fallback=True).words == ["the", "cat"]


def test_words_with_spaces_come_back(tmp_path):
    rows = {"the": [1, 2], ". . .": [3, 4], "at name@domain.com": [5, 6], "3 x": [7, 8]}
    check(load_vectors(write(tmp_path, as_text(rows))), rows)
    check(load_vectors(write(tmp_path, as_text(rows, header=True)), ["3 x"]), {"3 x": [7, 8]})


def test_a_first_word_with_a_space_needs_the_dimension(tmp_path):
    rows = {"new york": [1, 2], "the": [3, 4]}
    path = write(tmp_path, as_text(rows))
    with pytest.raises(InputError, match=r"line 1: 'new york 1 2' is neither .* `dimension`"):
        load_vectors(path)
    check(load_vectors(path, dimension=2), rows)


def test_words_that_are_numbers_are_no_header(tmp_path):
    rows = {"7": [3], "1": [2], "2": [1]}
    check(load_vectors(write(tmp_path, as_text(rows))), rows)
    check(load_vectors(write(tmp_path, as_text(rows, header=True))), rows)
    rows = {"2013": [3, 4], "2014": [1, 2]}
    check(load_vectors(write(tmp_path, as_text(rows))), rows)


def test_of_duplicates_the_first_wins_and_the_others_are_counted(tmp_path):
    path = write(tmp_path, b"a 1 2\nb 3 4\na 5 6\na 7 8\nb 9 9\n")
    vectors = load_vectors(path)
    check(vectors, {"a": [1, 2], "b": [3, 4]})
    assert vectors.duplicates == 3 and vectors.rows_read == 5
    assert load_vectors(path, ["b"]).duplicates == 1


BROKEN = {
    "too short": (b"word 1", "'word 1' has 1 fields after the word, not 2 numbers"),
    "too long": (b"word 1 2 3", "'word 1 2 3' has 3 fields after the word, not 2 numbers"),
    "two spaces": (b"word  1 2", "has 3 fields after the word"),
    "a space at the start": (b" 1 2", "there is no word before the numbers"),
    "a tab": (b"word\t1\t2", "has 0 fields after the word"),
    "empty": (b"", "'' has 0 fields"),
    "no number": (b"word 1 x", "'1 x' are not numbers"),
    "two words and too short": (b"word one 1", "'one 1' are not numbers"),
    "a decimal comma": (b"word 1,5 2", "'1,5 2' are not numbers"),
    "not a number": (b"word 1 nan", "'1 nan' are not all finite"),
    "beyond float32": (b"word 1 1e40", "'1 1e40' are not all finite"),
    "a Python number": (b"word 1_0 2", "'1_0 2' are not numbers"),
    "Latin-1": (
        "größe 1 2".encode("latin-1"),
        "'gr\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}e' is not UTF-8",
    ),
}


@pytest.mark.parametrize("header", [b"", b"4 2\n"])
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_line_is_named_or_counted(tmp_path, name, header):
    line, message = BROKEN[name]
    path = write(tmp_path, header + b"a 1 2\nb 3 4\n" + line + b"\nc 5 6\n")
    number = 3 + bool(header)
    with pytest.raises(InputError, match=re.escape(f"{path}, line {number}: ") + ".*") as error:
        load_vectors(path)
    assert message in str(error.value)
    vectors = load_vectors(path, errors="skip")
    check(vectors, {"a": [1, 2], "b": [3, 4], "c": [5, 6]})
    assert vectors.skipped == 1 and vectors.rows_read == 4
    assert [f"line {number}: " in problem for problem in vectors.problems] == [True]


@pytest.mark.parametrize("name", ["too short", "too long", "two spaces", "empty", "Latin-1"])
def test_the_width_and_encoding_of_rows_that_are_not_wanted_are_checked_too(tmp_path, name):
    path = write(tmp_path, b"a 1 2\n" + BROKEN[name][0] + b"\nc 5 6\n")
    with pytest.raises(InputError, match="line 2: "):
        load_vectors(path, ["c"])
    assert load_vectors(path, ["c"], errors="skip").skipped == 1


def test_many_broken_lines_are_counted_and_twenty_are_kept(tmp_path):
    vectors = load_vectors(write(tmp_path, b"a 1 2\n" + b"b 1\n" * 50), errors="skip")
    assert (vectors.skipped, len(vectors.problems)) == (50, 20)


def test_empty_lines_at_the_end_are_no_rows(tmp_path):
    vectors = load_vectors(write(tmp_path, b"a 1 2\nb 3 4\n\n \n"))
    assert (len(vectors), vectors.rows_read) == (2, 2)


@pytest.mark.parametrize("rows", [3, 5])
def test_a_header_that_promises_another_number_of_rows(tmp_path, rows):
    path = write(tmp_path, f"{rows} 3\n".encode() + as_text(ROWS))
    with pytest.raises(InputError, match=f"the header promises {rows} rows, but 4 follow"):
        load_vectors(path)
    vectors = load_vectors(path, errors="skip")
    assert (len(vectors), vectors.skipped) == (4, 0)
    assert "promises" in vectors.problems[0]


def test_another_dimension_than_promised(tmp_path):
    path = write(tmp_path, b"4 100\n" + as_text(ROWS))
    with pytest.raises(InputError, match=r"line 2: .* has 3 fields .*, not 100 numbers"):
        load_vectors(path)
    with pytest.raises(InputError, match=r"holds no row of word vectors; .*line 2"):
        load_vectors(path, errors="skip")
    with pytest.raises(InputError, match="line 1: rows have 100 numbers, but `dimension` is 3"):
        load_vectors(path, dimension=3)
    with pytest.raises(InputError, match=r"line 1: .* has 3 fields after the word, not 5 numbers"):
        load_vectors(write(tmp_path, as_text(ROWS)), dimension=5)


def test_a_byte_order_mark_is_no_part_of_the_first_word(tmp_path):
    check(load_vectors(write(tmp_path, b"\xef\xbb\xbf" + as_text(ROWS))), ROWS)
    check(load_vectors(write(tmp_path, b"\xef\xbb\xbf" + as_text(ROWS, header=True))), ROWS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"0 3\n", "holds no row of word vectors"),
        (b"<html>", "line 1: '<html>' is neither a header"),
        (b"3 2\n\x80\x3f\x00\x01abc", "line 2: "),
        ("ab 1 2\n".encode("utf-16"), "line 1: .* is neither a header"),
    ],
)
def test_files_that_hold_no_vectors(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        load_vectors(write(tmp_path, content))


@pytest.mark.parametrize("packing", ["gz", "zip"])
def test_a_file_that_was_cut_or_damaged(tmp_path, packing):
    rows = {f"word{number}": [number, number] for number in range(2000)}
    path = write(tmp_path, as_text(rows), packing)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"cannot be read after line \d+ \(.*\)"):
        load_vectors(path)
    changed = bytearray(content)
    changed[len(content) // 2] ^= 255
    path.write_bytes(changed)
    with pytest.raises(InputError, match=r"line \d+"):
        load_vectors(path)


def test_paths_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.txt cannot be read .*No such file"):
        load_vectors(tmp_path / "nowhere.txt")
    with pytest.raises(InputError, match=r"cannot be read .*Is a directory"):
        load_vectors(tmp_path)


def test_members_of_a_zip_archive(tmp_path):
    path = tmp_path / "glove.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("README", "text")
        archive.writestr("folder/", "")
        archive.writestr("50d.txt", as_text(ROWS))
    check(load_vectors(path), ROWS)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("100d.txt", as_text({"a": [1, 2]}))
    with pytest.raises(InputError, match=r"several files. .*: 'README', '50d.txt', '100d.txt'"):
        load_vectors(path)
    with pytest.raises(InputError, match=r"holds no '300d.txt'. .* '50d.txt'"):
        load_vectors(path, member="300d.txt")
    check(load_vectors(path, member="100d.txt"), {"a": [1, 2]})
    with pytest.raises(InputError, match=r"`member` is 'a', but .* is no zip archive"):
        load_vectors(write(tmp_path, as_text(ROWS)), member="a")


def test_arguments_that_are_refused(tmp_path):
    path = write(tmp_path, as_text(ROWS))
    with pytest.raises(InputError, match="`errors` is 'ignore', but must be"):
        load_vectors(path, errors="ignore")
    for vocabulary in ("cat", [1, 2], [b"cat"]):
        with pytest.raises(InputError, match="`vocabulary` must be a list of words"):
            load_vectors(path, vocabulary)
    with pytest.raises(InputError, match=r"shape \(2, 3\), but must hold one row for each of"):
        WordVectors(["a"], np.zeros((2, 3)))


def test_the_embedded_glove_rows_are_those_that_a_plain_loop_reads():
    words = ["the", "animal", "seaport"]
    expected = {}
    for line in gzip.decompress(datasets.glove_path().read_bytes()).decode().splitlines():
        word, *numbers = line.split(" ")
        if word in words:
            expected[word] = [float(number) for number in numbers]
    check(load_vectors(datasets.glove_path(), words), expected)


word_parts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=" \t\n\r\x0b\x0c\ufeff"), min_size=1
)
plain_words = word_parts.filter(lambda word: not re.fullmatch(r"[-+.\deE]+", word))
spaced_words = st.builds(" ".join, st.lists(plain_words, min_size=1, max_size=3))
numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def tables(draw, words=spaced_words):
    dimension = draw(st.integers(1, 4))
    row = st.lists(numbers, min_size=dimension, max_size=dimension)
    first = draw(plain_words)
    others = draw(st.dictionaries(words, row, max_size=6))
    return {first: draw(row), **others}


@settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    table=tables(),
    header=st.booleans(),
    end=st.sampled_from(["\n", " \n", "\r\n"]),
    packing=st.sampled_from(["plain", "gz", "zip"]),
    data=st.data(),
)
def test_what_was_written_comes_back(tmp_path_factory, table, header, end, packing, data):
    folder = tmp_path_factory.mktemp("tables")
    path = write(folder, as_text(table, header=header, end=end), packing)
    check(load_vectors(path), table)
    asked = data.draw(st.sets(st.sampled_from(list(table))))
    found = load_vectors(path, [*asked, "\n"])
    assert found.words == [word for word in table if word in asked]
    for word in asked:
        np.testing.assert_array_equal(found[word], np.array(table[word], "float32"))


@settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    table=tables(plain_words).filter(lambda table: len(table) > 1),
    header=st.booleans(),
    data=st.data(),
)
def test_a_corrupted_line_is_named(tmp_path_factory, table, header, data):
    path = Path(write(tmp_path_factory.mktemp("tables"), as_text(table, header=header)))
    lines = path.read_bytes().split(b"\n")[:-1]
    number = data.draw(st.integers(1 + header, len(lines) - 1))
    corrupt = data.draw(
        st.sampled_from(
            [
                lambda line: line.rpartition(b" ")[0],
                lambda line: line + b" 1.5",
                lambda line: line + b"x",
                lambda line: b"\xff" + line,
                lambda line: line.replace(b" ", b"  ", 1),
            ]
        )
    )
    lines[number] = corrupt(lines[number])
    path.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(InputError, match=re.escape(f"{path}, line {number + 1}: ")):
        load_vectors(path)


def small_vectors():
    matrix = np.array([[1, 10], [3, 20], [5, 60]], "float32")
    return WordVectors(["cat", "dog", "owl"], matrix)


def test_row_i_is_the_vector_of_word_i():
    vectors = small_vectors()
    vocabulary = ["", "[UNK]", "owl", "yeti", "cat"]
    matrix, coverage = embedding_matrix(vectors, vocabulary)
    assert matrix.dtype == np.float32 and matrix.shape == (5, 2)
    np.testing.assert_array_equal(matrix[0], [0, 0])
    np.testing.assert_array_equal(matrix[1], (vectors["owl"] + vectors["cat"]) / 2)
    np.testing.assert_array_equal(matrix[2], vectors["owl"])
    np.testing.assert_array_equal(matrix[4], vectors["cat"])
    assert (coverage.words, coverage.found, coverage.missing) == (3, 2, ["yeti"])
    assert coverage.share_of_words == 2 / 3 and coverage.share_of_tokens is None


def test_missing_words_are_random_on_the_scale_of_the_others_and_repeatable(rng):
    matrix = rng.normal([0, 5, -3], [1, 0.1, 4], (500, 3)).astype("float32")
    vectors = WordVectors([f"w{number}" for number in range(500)], matrix)
    vocabulary = ["", "[UNK]", *vectors.words, *(f"missing{number}" for number in range(4000))]
    first, coverage = embedding_matrix(vectors, vocabulary, seed=1)
    drawn = first[502:]
    np.testing.assert_allclose(drawn.mean(0), matrix.mean(0), atol=5 * 4 / 4000**0.5)
    np.testing.assert_allclose(drawn.std(0), matrix.std(0), rtol=0.1)
    assert len(np.unique(drawn, axis=0)) == 4000
    np.testing.assert_array_equal(first, embedding_matrix(vectors, vocabulary, seed=1)[0])
    assert not np.array_equal(first, embedding_matrix(vectors, vocabulary, seed=2)[0])
    assert coverage.missing == vocabulary[502:]


def test_coverage_counts_words_and_tokens():
    vocabulary = ["", "[UNK]", "cat", "Dog", "yeti", "gnu"]
    counts = Counter({"cat": 50, "Dog": 30, "gnu": 15, "yeti": 5, "elsewhere": 1000})
    options = {"counts": counts, "lower_case_fallback": True}
    matrix, coverage = embedding_matrix(small_vectors(), vocabulary, **options)
    np.testing.assert_array_equal(matrix[3], small_vectors()["dog"])
    assert coverage == Coverage(4, 2, 1, ["gnu", "yeti"], 100, 80)
    assert str(coverage) == (
        "2 of 4 words have a vector (50.0 %), 1 of them by their lower-case form, which is 80.0 % "
        "of 100 tokens. Without: gnu, yeti."
    )
    assert embedding_matrix(small_vectors(), vocabulary)[1].found == 1


def test_a_long_list_of_missing_words_is_cut():
    missing = [f"w{number}" for number in range(11)]
    assert str(Coverage(11, 0, 0, missing)).endswith("w8, w9 and 1 more.")


@pytest.mark.parametrize("vocabulary", [["cat", "dog"], ["[UNK]", "cat"], ["", "cat"], []])
def test_a_vocabulary_without_padding_and_unknown_is_refused(vocabulary):
    with pytest.raises(InputError, match=r"`vocabulary` starts with .* but must start with ''"):
        embedding_matrix(small_vectors(), vocabulary)


def test_vocabularies_that_cannot_be_right():
    with pytest.raises(InputError, match="`vocabulary` holds 'cat' more than once"):
        embedding_matrix(small_vectors(), ["", "[UNK]", "cat", "dog", "cat"])
    with pytest.raises(InputError, match=r"None of the 2 words .*\['Katze', 'Hund'\]"):
        embedding_matrix(small_vectors(), ["", "[UNK]", "Katze", "Hund"])
