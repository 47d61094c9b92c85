import contextlib
import hashlib
import http.server
import io
import re
import stat
import tarfile
import threading
import zipfile

from dlnotes import datasets, download
from dlnotes.datasets import glove_full
from dlnotes.download import fetch, unpack
from dlnotes.errors import InputError
import numpy as np
import pytest

CONTENT = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(300_000)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


class Server:
    """Serves one content; what it does wrong is set by its attributes."""

    def __init__(self):
        self.content = CONTENT
        self.tag = '"one"'
        self.ranges = True
        self.checks_tag = True
        self.says_length = True
        self.cut_after = []
        self.status = None
        self.requests = []

    def answer(self, request):
        range_asked, tag_asked = (request.headers.get(name) for name in ("Range", "If-Range"))
        self.requests.append(range_asked)
        if self.status:
            return request.send_error(self.status)
        start = 0
        fresh = tag_asked in (None, self.tag) or not self.checks_tag
        if range_asked and self.ranges and fresh:
            start = int(re.fullmatch(r"bytes=(\d+)-", range_asked)[1])
            if start >= len(self.content):
                request.send_response(416)
                request.send_header("Content-Range", f"bytes */{len(self.content)}")
                request.send_header("Content-Length", "0")
                return request.end_headers()
            request.send_response(206)
            whole = len(self.content)
            request.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        else:
            request.send_response(200)
        body = self.content[start:]
        if self.says_length:
            request.send_header("Content-Length", str(len(body)))
        if self.tag:
            request.send_header("ETag", self.tag)
        request.end_headers()
        request.wfile.write(body[: self.cut_after.pop(0)] if self.cut_after else body)


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    server = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            server.answer(self)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=[0.01])
        thread.start()
        server.url = f"http://127.0.0.1:{running.server_port}/some/file%20one.zip?version=2"
        yield server
        running.shutdown()
        thread.join()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def interrupt(server, folder, after=100_000):
    """A first call that ends with an error and leaves a part of the file."""
    server.cut_after = [after, 0]
    with pytest.raises(InputError, match=f"broke off .* first {after:,} bytes are kept"):
        fetch(server.url, folder, sha256=sha256(CONTENT))
    assert names(folder) == ["file one.zip.part", "file one.zip.part.json"]
    server.requests.clear()


def test_a_file_arrives_whole_under_its_name_and_is_not_asked_for_again(server, tmp_path):
    seen = []
    path = fetch(
        server.url,
        tmp_path / "new" / "folder",
        sha256=sha256(CONTENT).upper(),
        size=len(CONTENT),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == ["file one.zip"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert fetch(server.url, path.parent, sha256=sha256(CONTENT)) == path
    assert server.requests == [None]


def test_a_wrong_file_under_the_name_is_replaced(server, tmp_path):
    (tmp_path / "file one.zip").write_bytes(OTHER)
    assert fetch(server.url, tmp_path, sha256=sha256(CONTENT)).read_bytes() == CONTENT


@pytest.mark.parametrize("tag", ['"one"', 'W/"weak"', None])
def test_a_connection_cut_twice_is_resumed_in_the_same_call(server, tmp_path, tag):
    server.tag = tag
    server.cut_after = [100_000, 50_000]
    assert fetch(server.url, tmp_path, sha256=sha256(CONTENT)).read_bytes() == CONTENT
    assert server.requests == [None, "bytes=100000-", "bytes=150000-"]


def test_a_later_call_resumes(server, tmp_path):
    interrupt(server, tmp_path)
    assert fetch(server.url, tmp_path, sha256=sha256(CONTENT)).read_bytes() == CONTENT
    assert server.requests == ["bytes=100000-"]
    assert names(tmp_path) == ["file one.zip"]


def test_a_server_without_ranges_starts_over(server, tmp_path):
    server.ranges = False
    server.cut_after = [100_000]
    assert fetch(server.url, tmp_path, sha256=sha256(CONTENT)).read_bytes() == CONTENT
    assert server.requests == [None, "bytes=100000-"]


@pytest.mark.parametrize("checks_tag", [True, False])
def test_a_file_that_changed_meanwhile_is_fetched_from_its_start(server, tmp_path, checks_tag):
    interrupt(server, tmp_path)
    server.content, server.tag, server.checks_tag = OTHER, '"two"', checks_tag
    assert fetch(server.url, tmp_path, sha256=sha256(OTHER)).read_bytes() == OTHER


def test_a_changed_file_of_a_server_without_tags_is_found_by_its_checksum(server, tmp_path):
    server.tag = None
    interrupt(server, tmp_path)
    server.content = OTHER
    assert fetch(server.url, tmp_path, sha256=sha256(OTHER)).read_bytes() == OTHER
    assert server.requests == ["bytes=100000-", None]


def test_a_file_that_became_shorter_is_fetched_from_its_start(server, tmp_path):
    interrupt(server, tmp_path)
    server.content = OTHER[:50]
    assert fetch(server.url, tmp_path, sha256=sha256(OTHER[:50])).read_bytes() == OTHER[:50]


def test_a_part_that_is_the_whole_is_taken(server, tmp_path):
    interrupt(server, tmp_path)
    (tmp_path / "file one.zip.part").write_bytes(CONTENT)
    assert fetch(server.url, tmp_path, sha256=sha256(CONTENT)).read_bytes() == CONTENT
    assert server.requests == [f"bytes={len(CONTENT)}-"]


def test_a_part_of_unknown_origin_is_not_built_on(server, tmp_path):
    (tmp_path / "file one.zip.part").write_bytes(OTHER)
    (tmp_path / "file one.zip.part.json").write_text('{"url": "http://another')
    assert fetch(server.url, tmp_path, sha256=sha256(CONTENT)).read_bytes() == CONTENT
    assert server.requests == [None]


def test_a_server_that_does_not_say_the_length(server, tmp_path):
    server.says_length = False
    assert fetch(server.url, tmp_path, sha256=sha256(CONTENT)).read_bytes() == CONTENT
    with pytest.raises(InputError, match="has 300,000 bytes, not 1,000"):
        fetch(server.url, tmp_path, sha256=sha256(OTHER), size=1000)


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(server, tmp_path):
    with pytest.raises(InputError, match=f"has sha256 {sha256(CONTENT)}, not {sha256(OTHER)}"):
        fetch(server.url, tmp_path, sha256=sha256(OTHER))
    assert names(tmp_path) == []


def test_a_wrong_size_is_refused_before_the_transfer(server, tmp_path):
    with pytest.raises(InputError, match="has 300,000 bytes, not 1,000: it was changed"):
        fetch(server.url, tmp_path, sha256=sha256(CONTENT), size=1000)
    assert names(tmp_path) == []


def test_a_refusing_server_and_a_missing_network(server, tmp_path):
    server.status = 404
    with pytest.raises(InputError, match=r"the server answered 404 Not Found. Check the address"):
        fetch(server.url, tmp_path, sha256=sha256(CONTENT))
    with pytest.raises(InputError, match=r"127.0.0.1:9/a.zip cannot be reached .* the network"):
        fetch("http://127.0.0.1:9/a.zip", tmp_path, sha256=sha256(CONTENT))
    assert names(tmp_path) == []


def test_a_full_disk_is_noticed_before_the_transfer(server, tmp_path, monkeypatch):
    usage = download.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(InputError, match="has 1,000 bytes of room, but 300,000 are needed"):
        fetch(server.url, tmp_path, sha256=sha256(CONTENT))
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written .* Choose another `folder`"):
        fetch(server.url, tmp_path / "file", sha256=sha256(CONTENT))


@pytest.mark.parametrize(
    "url", ["file:///etc/hosts", "http://host/", "http://host/..", "https://host/a%5C..%5Cb"]
)
def test_addresses_that_are_refused(url, tmp_path):
    with pytest.raises(InputError, match=r"`url` is .* but must"):
        fetch(url, tmp_path, sha256="0" * 64)


def test_a_checksum_that_is_none(tmp_path):
    with pytest.raises(InputError, match="`sha256` is 'abc', but must be 64 hexadecimal digits"):
        fetch("http://host/a", tmp_path, sha256="abc")


def make_zip(path, members, link=None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
        if link:
            info = zipfile.ZipInfo(link)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, "/etc")
    return path


def make_tar(path, members, link=None):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        if link:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc"
            archive.addfile(info)
    return path


both = pytest.mark.parametrize("make", [make_zip, make_tar])


@both
def test_unpacking_all_or_some(make, tmp_path):
    members = [("a.txt", b"one"), ("in/side/b.txt", b"two"), ("in/..c.txt", b"three")]
    archive = make(tmp_path / "archive", members)
    paths = unpack(archive, tmp_path / "all")
    assert [path.read_bytes() for path in paths] == [content for _, content in members]
    assert names(tmp_path / "all") == ["a.txt", "in"]
    (one,) = unpack(archive, tmp_path / "one", ["in/side/b.txt"])
    assert one == tmp_path / "one" / "in" / "side" / "b.txt"
    assert names(tmp_path / "one") == ["in"]
    with pytest.raises(InputError, match=r"holds no 'z.txt'. It holds: a.txt, in/side/b.txt"):
        unpack(archive, tmp_path, ["z.txt"])


@both
@pytest.mark.parametrize("name", ["../a", "/tmp/a", "b/../../a", "..\\a", "C:\\a", "C:a", "\\a"])
def test_names_that_lead_out_are_refused_and_nothing_is_written(make, name, tmp_path):
    archive = make(tmp_path / "archive", [("good", b""), (name, b"evil")])
    with pytest.raises(InputError, match="which leads out of the folder"):
        unpack(archive, tmp_path / "deep" / "folder")
    assert names(tmp_path) == ["archive"]


@both
def test_links_are_refused_and_nothing_is_written(make, tmp_path):
    archive = make(tmp_path / "archive", [("link/a", b"evil")], link="link")
    with pytest.raises(InputError, match="holds 'link', a link or a device"):
        unpack(archive, tmp_path / "folder")
    assert names(tmp_path) == ["archive"]


@both
def test_a_link_that_lies_in_the_folder_is_not_followed(make, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "outside")
    archive = make(tmp_path / "archive", [("link/a", b"evil")])
    with pytest.raises(InputError, match="leads out of the folder"):
        unpack(archive, tmp_path / "folder")
    assert names(tmp_path / "outside") == []


@both
def test_a_damaged_archive_leaves_nothing(make, tmp_path):
    archive = make(tmp_path / "archive", [("a", CONTENT), ("b", OTHER)])
    content = bytearray(archive.read_bytes())
    content[len(content) * 3 // 4] ^= 255
    archive.write_bytes(content)
    with pytest.raises(InputError, match="is damaged, encrypted, or no zip or tar archive"):
        unpack(archive, tmp_path / "folder")
    with contextlib.suppress(FileNotFoundError):
        assert names(tmp_path / "folder") == []


def test_archives_that_are_none(tmp_path):
    (tmp_path / "text").write_text("no archive")
    with pytest.raises(InputError, match="no zip or tar archive"):
        unpack(tmp_path / "text", tmp_path)
    with pytest.raises(InputError, match=r"missing cannot be unpacked .*No such file"):
        unpack(tmp_path / "missing", tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@both
def test_a_name_that_stands_twice_and_a_file_in_place_of_a_folder(make, tmp_path):
    archive = make(tmp_path / "archive", [("a", b"1"), ("a", b"2")])
    with pytest.raises(InputError, match="holds 'a' more than once"):
        unpack(archive, tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        unpack(make(tmp_path / "archive", [("a", b"1")]), tmp_path)


def test_the_cache_folder_is_set_by_a_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("DLNOTES_CACHE", str(tmp_path / "cache"))
    assert download.cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("DLNOTES_CACHE")
    assert download.cache_folder().name == "dlnotes"


def test_glove_is_fetched_once_and_unpacked(server, monkeypatch, tmp_path):
    archive = make_zip(tmp_path / "zip", [("glove.6B.50d.txt", b"a 1"), ("glove.6B.100d.txt", b"")])
    server.content = archive.read_bytes()
    monkeypatch.setenv("DLNOTES_CACHE", str(tmp_path / "cache"))
    published = {"sha256": sha256(server.content), "size": len(server.content)}
    monkeypatch.setattr(glove_full, "ARCHIVE", {"url": server.url, **published})
    for _ in range(2):
        path = datasets.glove("glove.6B.50d")
        assert path == tmp_path / "cache" / "glove" / "glove.6B.50d.txt"
        assert path.read_bytes() == b"a 1"
    datasets.glove("glove.6B.100d")
    assert server.requests == [None]
