"""What the front door knows about the run that is under way."""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Session:
    """One run of one recipe from the command line.

    Args:
        recipe: The `Recipe` that runs.
        progress: A `Progress`, or `None` for silence.
        tensorboard: Folder for TensorBoard logs, or `None`.
    """

    recipe: Any
    progress: Any = None
    tensorboard: Path | None = None
    reports: list = field(default_factory=list)


_open = []


def current():
    """The session that is open, or `None`."""
    return _open[-1] if _open else None


@contextlib.contextmanager
def opened(session):
    """Makes a session the current one inside the block."""
    _open.append(session)
    try:
        yield session
    finally:
        _open.remove(session)
