"""A process of `dlnotes run --processes`: rank 0 runs the recipe, the others take part in it."""

import contextlib
import json
import os
from pathlib import Path
import sys
import tempfile
import threading
import time

from dlnotes import resuming, runs, session
from dlnotes.distributed.process import VARIABLE, process, start
from dlnotes.errors import InputError

ABOUT = "DLNOTES_TRAINING"
SECONDS_TO_BE_ENDED = 2


def environment(rank, addresses, seed, kept):
    """The environment variables by which a member learns what it is.

    Args:
        rank: Integer.
        addresses: List of strings `host:port`, one for each process.
        seed: Integer, seed of the order of the rows.
        kept: Path of the folder of a run to go on with, or `""`.

    Returns:
        Dictionary.
    """
    return {
        VARIABLE: json.dumps({"rank": rank, "addresses": addresses}),
        ABOUT: json.dumps({"seed": seed, "kept": str(kept)}),
    }


@contextlib.contextmanager
def together():
    """Meets the others; inside the block they share every `model.fit`.

    It does nothing in a process that the launcher has not started.
    """
    if ABOUT not in os.environ:
        yield
        return
    threading.Thread(target=_end_with_the_launcher, daemon=True).start()
    start()
    from dlnotes import fitting
    from dlnotes.distributed.training import through

    try:
        with fitting.through(through(json.loads(os.environ[ABOUT])["seed"])):
            yield
    except (InputError, KeyboardInterrupt):
        raise
    except Exception:
        # If this is because another process was lost, the launcher says so and ends this one.
        time.sleep(SECONDS_TO_BE_ENDED)
        raise


def follows():
    """Whether this process leaves report, figures and checkpoints to rank 0."""
    return process().rank > 0


def follow(recipe, arguments):
    """Runs a recipe without writing anything.

    Args:
        recipe: A `Recipe`.
        arguments: Dictionary of its options.
    """
    from dlnotes import fitting

    module = recipe.load()
    runs.settle()
    kept = (
        json.loads(os.environ[ABOUT])["kept"]
        or Path(tempfile.gettempdir()) / f"dlnotes-{os.getpid()}"
    )
    fits = _ReadingFits(Path(kept) / resuming.CHECKPOINTS)
    with session.opened(session.Session(recipe)), fitting.through(fits):
        module.run(**arguments)


def _end_with_the_launcher():
    """Waits for the pipe from the launcher to close, and ends this process at once."""
    while sys.stdin.buffer.raw.read(1):
        pass
    os._exit(1)


class _ReadingFits(resuming._Fits):
    """The checkpoints of rank 0, which the other processes only read."""

    def _with_checkpoint(self, arguments):
        from dlnotes.callbacks import AtomicCheckpoint

        changed = super()._with_checkpoint(arguments)
        for callback in changed.get("callbacks", []):
            if isinstance(callback, AtomicCheckpoint):
                callback.write = False
        return changed
