"""Finds and checks the files that travel with the package."""

import functools
import hashlib

from dlnotes.errors import InputError
from dlnotes.paths import data_folder


def checksums():
    """The sha256 of every embedded file, by name."""
    lines = (data_folder() / "SHA256SUMS").read_text().splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


@functools.cache
def embedded(name):
    """The path of an embedded file, after its checksum has been compared.

    Args:
        name: String, name of a file in `data/`.

    Returns:
        A `pathlib.Path`.

    Raises:
        InputError: If the file is missing or is not the file that was published.
    """
    path = data_folder() / name
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(
            f"The embedded file {path} cannot be read ({error.strerror}). Install dlnotes again."
        ) from error
    if digest != checksums()[name]:
        raise InputError(
            f"The embedded file {path} has sha256 {digest}, not {checksums()[name]}: it was "
            "changed or damaged. Install dlnotes again."
        )
    return path
