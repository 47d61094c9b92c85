import os
import subprocess
import sys
from unittest import mock
import zipfile

from dlnotes import _vector_cache, vectors
from dlnotes.vectors import load_vectors
import numpy as np
import pytest

ROWS = b"a 0.5 0.25\nb 1.5 -0.75\nc 0.5 12\na 9 9\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of the entries, for files of any size."""
    monkeypatch.setenv("DLNOTES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(_vector_cache, "SMALLEST_FILE", 0)
    return tmp_path / "cache" / "vectors"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_bytes(ROWS)
    return path


def read(path, *arguments, **options):
    """What a call returns, and whether it read the file for that."""
    original = vectors._Rows.read
    with mock.patch.object(vectors._Rows, "read", autospec=True, side_effect=original) as reading:
        found = load_vectors(path, *arguments, **options)
    return found, reading.called


def assert_same(first, second):
    assert first.words == second.words
    np.testing.assert_array_equal(first.matrix, second.matrix)
    assert first.matrix.dtype == second.matrix.dtype == np.float32
    assert first.matrix.flags.writeable and second.matrix.flags.writeable
    for fact in ("rows_read", "duplicates", "skipped", "problems"):
        assert getattr(first, fact) == getattr(second, fact)


@pytest.mark.parametrize("vocabulary", [None, ["c", "a", "none"], ["none"]])
def test_the_second_call_reads_the_entry_and_says_the_same(folder, path, vocabulary):
    first, has_read = read(path, vocabulary)
    assert has_read and len(list(folder.iterdir())) == 1
    second, has_read = read(path, vocabulary)
    assert not has_read
    assert_same(first, second)
    assert_same(second, load_vectors(path, vocabulary, cache=False))


def test_problems_are_kept_too(folder, path):
    path.write_bytes(ROWS + b"broken 1\n")
    first, _ = read(path, errors="skip")
    second, has_read = read(path, errors="skip")
    assert not has_read and len(second.problems) == 1 and second.skipped == 1
    assert_same(first, second)


def test_the_order_of_the_vocabulary_does_not_matter(folder, path):
    read(path, ["a", "b"])
    assert not read(path, ["b", "a", "b"])[1]


@pytest.mark.parametrize(
    ("vocabulary", "options"),
    [
        (None, {}),
        (["a"], {}),
        (["a\nb"], {}),
        (["a", "b", "A"], {}),
        (["a", "b"], {"errors": "skip"}),
        (["a", "b"], {"dimension": 2}),
    ],
)
def test_another_question_is_another_entry(folder, path, vocabulary, options):
    read(path, ["a", "b"])
    found, has_read = read(path, vocabulary, **options)
    assert has_read
    assert_same(found, load_vectors(path, vocabulary, **options, cache=False))


def test_the_lower_case_form_is_part_of_the_question(folder, path):
    assert read(path, ["A"])[0].words == []
    assert read(path, ["A"], lower_case_fallback=True)[0].words == ["a"]


def test_members_of_an_archive_are_different_questions(folder, tmp_path):
    path = tmp_path / "two.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.txt", "a 1 1\n")
        archive.writestr("2.txt", "b 2 2\n")
    for _ in range(2):
        assert load_vectors(path, member="1.txt").words == ["a"]
        assert load_vectors(path, member="2.txt").words == ["b"]


def test_a_file_that_was_replaced_is_read_again(folder, path, tmp_path):
    read(path)
    other = tmp_path / "other"
    other.write_bytes(ROWS.replace(b"0.25", b"0.75"))
    facts = path.stat()
    os.utime(other, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    other.replace(path)
    found, has_read = read(path)
    assert has_read and found["a"].tolist() == [0.5, 0.75]
    assert not read(path)[1] and len(list(folder.iterdir())) == 1


def test_a_file_changed_in_place_with_its_old_time_and_size_is_read_again(folder, path):
    read(path)
    facts = path.stat()
    path.write_bytes(ROWS.replace(b"0.25", b"0.75"))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert _vector_cache.fingerprint(path)[:2] == [facts.st_size, facts.st_mtime_ns]
    found, has_read = read(path)
    assert has_read and found["a"].tolist() == [0.5, 0.75]


@pytest.mark.parametrize("place", [0, 0.5, 1])
def test_the_checksum_alone_notices_a_change_of_a_sampled_block(tmp_path, place):
    path = tmp_path / "large"
    content = bytearray(5 << 20)
    path.write_bytes(content)
    before = _vector_cache.fingerprint(path)
    block = round(place * 15) * (len(content) - (1 << 16)) // 15
    content[min(block + 100, len(content) - 1)] = 1
    path.write_bytes(content)
    assert _vector_cache.fingerprint(path)[-1] != before[-1]


def test_a_file_that_changes_while_it_is_read_is_not_kept(folder, path):
    def read_and_change(rows, stream, dimension):
        original(rows, stream, dimension)
        path.write_bytes(ROWS + b"d 1 1\n")

    original = vectors._Rows.read
    with mock.patch.object(vectors._Rows, "read", read_and_change):
        assert load_vectors(path).rows_read == 4
    assert not folder.exists()
    assert load_vectors(path).rows_read == 5


@pytest.mark.parametrize("part", range(12))
@pytest.mark.parametrize("damage", ["cut", "flipped", "zeros"])
def test_a_damaged_entry_is_replaced(folder, path, damage, part):
    first, _ = read(path, ["a", "c"])
    (entry,) = folder.iterdir()
    content = bytearray(entry.read_bytes())
    position = part * len(content) // 12
    if damage == "cut":
        del content[position:]
    elif damage == "flipped":
        content[position] ^= 255
    else:
        content[position:] = bytes(len(content) - position)
    entry.write_bytes(content)
    again, has_read = read(path, ["a", "c"])
    assert_same(first, again)
    if has_read:
        assert not read(path, ["a", "c"])[1]


def test_an_entry_of_another_kind_is_replaced(folder, path):
    first, _ = read(path)
    (entry,) = folder.iterdir()
    np.savez(entry, matrix=np.array([object()]), words=np.zeros(1), facts=np.zeros(1))
    again, has_read = read(path)
    assert has_read
    assert_same(first, again)
    entry.unlink()
    entry.mkdir()
    assert_same(read(path)[0], first)


def test_without_cache_nothing_is_written_or_read(folder, path):
    load_vectors(path, cache=False)
    assert not folder.exists()
    load_vectors(path)
    path_of_entry = next(folder.iterdir())
    kept = path_of_entry.stat().st_mtime_ns
    _, has_read = read(path, cache=False)
    assert has_read and path_of_entry.stat().st_mtime_ns == kept


def test_small_files_are_just_read(folder, path, monkeypatch):
    monkeypatch.setattr(_vector_cache, "SMALLEST_FILE", len(ROWS) + 1)
    load_vectors(path)
    assert not folder.exists()


def test_a_folder_that_cannot_be_written_is_no_error(folder, path, tmp_path):
    (tmp_path / "cache").write_text("in the way")
    for _ in range(2):
        found, has_read = read(path)
        assert has_read and len(found) == 3


def test_a_full_disk_leaves_nothing_half_written(folder, path, monkeypatch):
    monkeypatch.setattr(np, "savez", mock.Mock(side_effect=OSError("no space left")))
    assert len(load_vectors(path)) == 3
    assert list(folder.iterdir()) == []


def test_the_entries_used_longest_ago_go_first(folder, path, monkeypatch):
    known = set()
    for age, word in enumerate(["a", "b", "c"]):
        read(path, [word])
        (entry,) = set(folder.iterdir()) - known
        os.utime(entry, (1_000_000 + age, 1_000_000 + age))
        known.add(entry)
    size = entry.stat().st_size
    assert not read(path, ["a"])[1]
    monkeypatch.setattr(_vector_cache, "MOST_BYTES", 7 * size // 2)
    read(path, ["a", "b"])
    assert [read(path, [word])[1] for word in ("a", "c")] == [False, False]
    assert read(path, ["b"])[1]


def test_an_answer_that_would_fill_the_cache_is_not_kept(folder, path, monkeypatch):
    monkeypatch.setattr(_vector_cache, "MOST_BYTES", 4 * 3 * 2 * 4 - 1)
    load_vectors(path)
    assert not folder.exists()


def test_processes_share_the_folder(folder, path):
    code = (
        "import sys; from dlnotes import _vector_cache; _vector_cache.SMALLEST_FILE = 0\n"
        "from dlnotes.vectors import load_vectors\n"
        "for _ in range(20): assert load_vectors(sys.argv[1], ['a', 'c']).words == ['a', 'c']"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, path], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors.decode()
    assert [entry.suffix for entry in folder.iterdir()] == [".npz"]
    assert not read(path, ["a", "c"])[1]
