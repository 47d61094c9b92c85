"""Checkpoints on disk: written beside, checksummed, renamed; read back only when whole."""

import hashlib
import json
import os
from pathlib import Path
import re
import shutil
import warnings

from dlnotes.errors import InputError
import numpy as np

VARIABLES, STATE = "variables.npz", "state.json"


class DamagedError(Exception):
    """A checkpoint that cannot be used, and why."""


def path_of(folder, epoch):
    """The folder of the checkpoint after so many epochs."""
    return Path(folder) / f"epoch-{epoch:06d}"


def found_in(folder):
    """The checkpoints of a folder, the newest first."""
    try:
        names = [path.name for path in Path(folder).iterdir()]
    except FileNotFoundError:
        return []
    return [Path(folder) / name for name in sorted(names, reverse=True) if _is_checkpoint(name)]


def _is_checkpoint(name):
    return re.fullmatch(r"epoch-\d{6,}", name)


def write(folder, state, arrays, keep):
    """Writes a checkpoint completely or not at all.

    Args:
        folder: Path of the folder of all checkpoints.
        state: Dictionary that JSON can hold, with `"epoch"`.
        arrays: List of arrays.
        keep: Paths of older checkpoints that stay; all others go.

    Returns:
        Path of the checkpoint.

    Raises:
        InputError: If the disk is full or the folder cannot be written to. Nothing is left then,
            and older checkpoints stay as they are.
    """
    final = path_of(folder, state["epoch"])
    part = final.with_name(f".{final.name}.part")
    try:
        for left in Path(folder).glob(".epoch-*.part"):
            shutil.rmtree(left)
        part.mkdir(parents=True)
        with (part / VARIABLES).open("wb") as file:
            np.savez(file, **{str(i): _storable(array) for i, array in enumerate(arrays)})
            _settle(file)
        types = [array.dtype.name for array in arrays]
        about = {"sha256": _sha256(part / VARIABLES), "types": types}
        with (part / STATE).open("w", encoding="utf-8") as file:
            json.dump(state | about, file)
            _settle(file)
        _settle_folder(part)
        if final.exists():
            shutil.rmtree(final)
        part.rename(final)
        _settle_folder(final.parent)
        for path in found_in(folder):
            if path not in (final, *keep):
                shutil.rmtree(path)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        older = found_in(folder)
        kept = f" The checkpoint {older[0]} is kept." if older else ""
        raise InputError(
            f"Cannot write a checkpoint to {folder} ({error.strerror or error}): free some space "
            f"or choose another folder.{kept}"
        ) from error
    return final


def _settle(file):
    file.flush()
    os.fsync(file.fileno())


def _settle_folder(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _storable(array):
    """The array, or its bytes where NumPy itself does not know the type, such as bfloat16."""
    return array if array.dtype.kind != "V" else array.view(f"u{array.dtype.itemsize}")


def read(path):
    """Reads a checkpoint.

    Args:
        path: Path of its folder.

    Returns:
        Tuple of the state and the list of arrays.

    Raises:
        DamagedError: If a file is missing or is not what was written.
    """
    try:
        state = json.loads((path / STATE).read_text(encoding="utf-8"))
        if _sha256(path / VARIABLES) != state["sha256"]:
            raise DamagedError(f"the checksum of {VARIABLES} is wrong")
        with np.load(path / VARIABLES, allow_pickle=False) as file:
            arrays = [file[str(i)] for i in range(len(state["types"]))]
    except FileNotFoundError as error:
        raise DamagedError(f"{Path(error.filename).name} is missing") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"it cannot be read ({error})") from error
    return state, [
        array if array.dtype.name == name else array.view(np.dtype(name))
        for array, name in zip(arrays, state["types"], strict=True)
    ]


def read_newest(folder):
    """Reads the newest checkpoint that is whole, and warns of those that are not.

    Args:
        folder: Path of the folder of all checkpoints.

    Returns:
        Tuple of path, state and arrays; `None` if there is no checkpoint.

    Raises:
        InputError: If there are checkpoints, but none of them is whole.
    """
    faults = []
    for path in found_in(folder):
        try:
            state, arrays = read(path)
        except DamagedError as error:
            faults.append(f"{path}: {error}")
            continue
        if faults:
            warnings.warn(
                f"A checkpoint is damaged, the one before is used ({path.name}). "
                f"{'; '.join(faults)}.",
                stacklevel=2,
            )
        return path, state, arrays
    if faults:
        raise InputError(
            f"None of the checkpoints can be used: {'; '.join(faults)}. Put the files back, or "
            f"delete {folder} to begin anew."
        )
    return None
