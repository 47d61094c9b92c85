"""Fetches public files, only when asked, and unpacks archives.

What carries a final name is whole and checked. What is not yet whole lies beside it under a name
with `.part`.
"""

import contextlib
from dataclasses import dataclass
import gzip
import hashlib
import http.client
import json
import os
from pathlib import Path, PurePosixPath, PureWindowsPath
import re
import shutil
import stat
import sys
import tarfile
import tempfile
from typing import Any
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib

from dlnotes import __version__
from dlnotes.errors import InputError

try:
    from lzma import LZMAError
except ImportError:
    LZMAError = EOFError

_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    LZMAError,
    EOFError,
    RuntimeError,
)
_BLOCK = 1 << 20
_ATTEMPTS = 5


def cache_folder():
    """The folder for fetched files: `DLNOTES_CACHE`, or the platform's folder for caches.

    Returns:
        A `pathlib.Path`, which need not exist.

    Example:

    >>> from dlnotes.download import cache_folder
    >>> cache_folder().is_absolute()
    True
    """
    if folder := os.environ.get("DLNOTES_CACHE"):
        return Path(folder).expanduser().absolute()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).absolute() / "dlnotes"


def fetch(url, folder, *, sha256, size=None, timeout=30, progress=None):
    """Fetches a file, checks its sha256 and gives it its final name.

    A file that is there already and is the right one costs no request. A transfer that broke off
    goes on where it stopped, in this call or in a later one, if the server still has the same file;
    otherwise it starts over.

    Args:
        url: String, an `http` or `https` address that ends in the file's name.
        folder: Path of the folder to put the file into; made if missing.
        sha256: String, the expected checksum, 64 hexadecimal digits.
        size: Integer, the expected number of bytes. Another size is refused before the transfer.
            Defaults to any.
        timeout: Number, seconds to wait for the server. Defaults to `30`.
        progress: Function called with the bytes that are there and the bytes expected (`None` if
            unknown). Defaults to none.

    Returns:
        A `pathlib.Path` of the file.

    Raises:
        InputError: If the server cannot be reached or refuses, the folder cannot be written or is
            full, or the file is not the expected one.

    Example:

    >>> from dlnotes.download import fetch
    >>> fetch("ftp://example.org/a.zip", "data", sha256="0" * 64)
    Traceback (most recent call last):
        ...
    dlnotes.errors.InputError: `url` is 'ftp://example.org/a.zip', but must be http or https.
    """
    target = Path(folder) / _file_name(url)
    if not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise InputError(f"`sha256` is {sha256!r}, but must be 64 hexadecimal digits.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_file() and _sha256(target) == sha256.lower():
            return target
        partial = _Partial(url, target)
        resumed = partial.size() > 0
        _transfer(partial, size, timeout, progress)
        if resumed and _sha256(partial.path) != sha256.lower():
            partial.remove()
            _transfer(partial, size, timeout, progress)
        digest = _sha256(partial.path)
        if digest != sha256.lower():
            partial.remove()
            raise InputError(
                f"{url} has sha256 {digest}, not {sha256}: it was changed or damaged, and is not "
                "kept. Compare the checksum with its publisher's."
            )
        partial.path.replace(target)
        partial.remove()
    except OSError as error:
        raise InputError(
            f"{target} cannot be written ({error.strerror or error}). Choose another `folder`, or "
            "make room there."
        ) from error
    return target


def unpack(archive, folder, members=None):
    """Unpacks files of a zip or tar archive into a folder, and nowhere else.

    Links, devices, absolute names and names that lead out of the folder are refused before anything
    is written. Files get their final names after all of them have been unpacked. Owners and modes
    are not taken over.

    Args:
        archive: Path of a `.zip` or `.tar` file; a tar may be compressed.
        folder: Path of the folder to unpack into; made if missing.
        members: List of strings, names of the files to unpack. Defaults to all.

    Returns:
        List of `pathlib.Path`, the files unpacked.

    Raises:
        InputError: If the archive cannot be read, lacks a member or holds one that is refused, or
            the folder cannot be written or is full.

    Example:

    >>> import pathlib, tempfile, zipfile
    >>> from dlnotes.download import unpack
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with zipfile.ZipFile(folder / "a.zip", "w") as file:
    ...     file.writestr("words.txt", "cat")
    >>> unpack(folder / "a.zip", folder)[0].read_text()
    'cat'
    """
    archive, folder = Path(archive), Path(folder)
    try:
        with _opened(archive) as (entries, open_entry):
            chosen = _choose(archive, entries, members)
            targets = [_target(archive, folder, entry) for entry in chosen]
            folder.mkdir(parents=True, exist_ok=True)
            _check_space(folder, sum(entry.size for entry in chosen))
            with tempfile.TemporaryDirectory(dir=folder, suffix=".part") as waiting:
                unpacked = [Path(waiting, str(number)) for number in range(len(chosen))]
                for entry, path in zip(chosen, unpacked, strict=True):
                    with open_entry(entry.source) as source, path.open("wb") as file:
                        shutil.copyfileobj(source, file, _BLOCK)
                for path, target in zip(unpacked, targets, strict=True):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    path.replace(target)
    except _DAMAGED as error:
        raise InputError(
            f"{archive} is damaged, encrypted, or no zip or tar archive ({error}). Fetch it again."
        ) from error
    except OSError as error:
        raise InputError(
            f"{archive} cannot be unpacked into {folder} ({error.strerror or error}). Check both "
            "paths."
        ) from error
    return targets


def _file_name(url):
    """The last part of a web address, as the name of a file."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise InputError(f"`url` is {url!r}, but must be http or https.")
    name = PurePosixPath(urllib.parse.unquote(parts.path)).name
    if name in ("", "..") or PureWindowsPath(name).name != name:
        raise InputError(f"`url` is {url!r}, but must end in the name of a file.")
    return name


class _Partial:
    """A file on its way, and beside it where it came from and which version of it that was."""

    def __init__(self, url, target):
        self.url = url
        self.path = target.with_name(f"{target.name}.part")
        self.notes = target.with_name(f"{target.name}.part.json")

    def read_notes(self):
        try:
            notes = json.loads(self.notes.read_text())
        except (OSError, ValueError):
            return {}
        return notes if notes.get("url") == self.url else {}

    def write_notes(self, version):
        self.notes.write_text(json.dumps({"url": self.url, "version": version}))

    def size(self):
        """Bytes that can be built on."""
        return self.path.stat().st_size if self.read_notes() and self.path.is_file() else 0

    def remove(self):
        self.path.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)


def _transfer(partial, size, timeout, progress):
    """Requests the rest of a file until all of it is there."""
    for _ in range(_ATTEMPTS):
        before = partial.size()
        if _request(partial, size, timeout, progress):
            return
        if partial.size() == before:
            break
    raise InputError(
        f"The connection broke off while fetching {partial.url}. The first {partial.size():,} "
        "bytes are kept: do the same again to go on from there."
    )


def _request(partial, size, timeout, progress):
    """Requests what is missing and writes what comes. Returns whether the file is whole."""
    start = partial.size()
    version = partial.read_notes().get("version")
    headers = {"User-Agent": f"dlnotes/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if version:
            headers["If-Range"] = version
    try:
        response = urllib.request.urlopen(
            urllib.request.Request(partial.url, headers=headers), timeout=timeout
        )
    except urllib.error.HTTPError as error:
        if error.code == 416 and start:
            if error.headers.get("Content-Range") == f"bytes */{start}":
                return True
            partial.remove()
            return False
        raise InputError(
            f"{partial.url}: the server answered {error.code} {error.reason}. Check the address; "
            "the file may have moved."
        ) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(
            f"{partial.url} cannot be reached ({reason}). Check the address and the network."
        ) from error

    with response:
        came = _version(response.headers)
        if response.status == 206:
            content = response.headers.get("Content-Range", "")
            continued = re.fullmatch(rf"bytes {start}-\d+/(\d+)", content)
            if not continued or came not in (None, version):
                partial.remove()
                return False
            total = int(continued[1])
        else:
            start = 0
            length = response.headers.get("Content-Length")
            total = int(length) if length else size
        _check_size(partial, total, size)
        if total:
            _check_space(partial.path.parent, total - start)
        partial.write_notes(came or version)
        with partial.path.open("ab" if start else "wb") as file:
            for block in _blocks(response):
                if block is None:
                    return False
                file.write(block)
                start += len(block)
                if progress:
                    progress(start, total)
    if total is None or start > total:
        _check_size(partial, start, size)
        return True
    return start == total


def _blocks(response):
    """What comes, and at last `None` where the connection broke off."""
    try:
        while block := response.read1(_BLOCK):
            yield block
    except (OSError, http.client.HTTPException):
        yield None


def _check_size(partial, total, size):
    if size not in (None, total):
        partial.remove()
        raise InputError(f"{partial.url} has {total:,} bytes, not {size:,}: it was changed.")


def _version(headers):
    """What tells one version of a file from another, in the strict sense of `If-Range`."""
    tag = headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_space(folder, needed):
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(f"{folder} has {free:,} bytes of room, but {needed:,} are needed.")


@dataclass(frozen=True)
class _Entry:
    """What a zip or a tar archive says about one of its members."""

    name: str
    size: int
    is_file: bool
    is_folder: bool
    source: Any


@contextlib.contextmanager
def _opened(archive):
    """Opens an archive: its entries, and a function that opens one."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            yield [_zip_entry(info) for info in file.infolist()], file.open
    else:
        with tarfile.open(archive) as file:
            entries = [
                _Entry(info.name, info.size, info.isreg(), info.isdir(), info) for info in file
            ]
            _read_to_the_end(file.fileobj)
            yield entries, file.extractfile


def _read_to_the_end(file):
    """Makes a compressed file compare its checksum, which stands at its end."""
    while file.read(_BLOCK):
        pass


def _zip_entry(info):
    kind = stat.S_IFMT(info.external_attr >> 16)
    is_file = not info.is_dir() and kind in (0, stat.S_IFREG)
    return _Entry(info.filename, info.file_size, is_file, info.is_dir(), info)


def _choose(archive, entries, members):
    """The entries to unpack, after it is clear that each of them may be."""
    entries = [entry for entry in entries if not entry.is_folder]
    names = [entry.name for entry in entries]
    chosen = names if members is None else list(members)
    for name in chosen:
        if name not in names:
            held = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
            raise InputError(f"{archive} holds no {name!r}. It holds: {held or 'nothing'}.")
        if names.count(name) > 1:
            raise InputError(f"{archive} holds {name!r} more than once, and is not unpacked.")
    chosen = set(chosen)
    entries = [entry for entry in entries if entry.name in chosen]
    for entry in entries:
        if not entry.is_file:
            raise InputError(
                f"{archive} holds {entry.name!r}, a link or a device, and is not unpacked."
            )
    return entries


def _target(archive, folder, entry):
    """Where a member goes, if that lies in the folder."""
    name = PureWindowsPath(entry.name)
    target = folder / entry.name
    inside = target.resolve().is_relative_to(folder.resolve()) and name.name
    if not inside or name.drive or name.root or ".." in name.parts:
        raise InputError(
            f"{archive} holds {entry.name!r}, which leads out of the folder, and is not unpacked."
        )
    if target.is_dir():
        raise InputError(f"{target} is a folder, but {archive} holds a file of that name.")
    return target
