"""How a process learns which one of a training it is, and meets the others."""

import contextlib
from dataclasses import dataclass
import json
import os
import sys

from dlnotes.errors import InputError

VARIABLE = "DLNOTES_PROCESS"


@dataclass(frozen=True)
class Process:
    """One of the processes that train together.

    Args:
        rank: Integer, its number, from 0 on. Defaults to `0`.
        addresses: Tuple of strings `host:port`, one for each process, on which TensorFlow and JAX
            talk to each other. Defaults to `()`: a process alone.
    """

    rank: int = 0
    addresses: tuple = ()

    @property
    def processes(self):
        """The number of processes."""
        return max(1, len(self.addresses))


_here = Process()
_strategy = None


def process():
    """The process that this is: rank 0 of 1 before `start` was called.

    Returns:
        A `Process`.

    Example:

    >>> from dlnotes import distributed
    >>> distributed.process().rank, distributed.process().processes
    (0, 1)
    """
    return _here


def strategy():
    """TensorFlow's strategy for several processes, or `None` in a process alone."""
    return _strategy


def start(rank=None, addresses=None):
    """Connects this process with the others that train together. Each one has to call it.

    It has to come before anything is computed with Keras: TensorFlow and JAX take new company at
    their start only. It returns when all processes have arrived. `dlnotes run --processes` calls
    it for you. A second call does nothing.

    On TensorFlow this makes a `tf.distribute.MultiWorkerMirroredStrategy`, on JAX it calls
    `keras.distribution.initialize`.

    Reference: Keras guide "Multi-process distribution"; TensorFlow guide "Distributed training",
    `TF_CONFIG`.

    Args:
        rank: Integer, the number of this process, from 0 on. Defaults to `None`: rank and
            addresses come from the environment, where `dlnotes run` puts them; without it, this
            process is alone.
        addresses: List of strings `host:port`, a free port for each process, in order of rank; the
            same list in every process. Nothing protects them, and TensorFlow listens on all
            networks of its machine: use machines that only your own ones reach.

    Returns:
        A `Process`.

    Raises:
        InputError: If the rank is none of the addresses', or the backend is another one.

    Example:

    >>> from dlnotes import distributed
    >>> distributed.start(rank=0, addresses=["127.0.0.1:12345"])
    Process(rank=0, addresses=('127.0.0.1:12345',))
    """
    global _here, _strategy
    if _here.addresses:
        return _here
    if rank is None:
        given = json.loads(os.environ.get(VARIABLE, '{"rank": 0, "addresses": []}'))
        rank, addresses = given["rank"], given["addresses"]
    addresses = tuple(addresses or ())
    if rank not in range(max(1, len(addresses))):
        raise InputError(
            f"`rank` is {rank}, but there are {len(addresses)} addresses: give a number from 0 to "
            f"{max(0, len(addresses) - 1)}."
        )
    here = Process(rank, addresses)
    if here.processes > 1:
        _strategy = _meet(here)
    _here = here
    return here


def _meet(here):
    # TensorFlow reads its cluster from the environment, before its first operation.
    cluster = {
        "cluster": {"worker": here.addresses},
        "task": {"type": "worker", "index": here.rank},
    }
    os.environ["TF_CONFIG"] = json.dumps(cluster)
    from dlnotes import _keras

    backend = _keras.keras.config.backend()
    if backend == "jax":
        # Without this the first process would listen on all networks of its machine.
        os.environ.setdefault("JAX_COORDINATOR_BIND_ADDRESS", here.addresses[0])
        with _without_output(), _keras._only_warnings_that_matter():
            _keras.keras.distribution.initialize(here.addresses[0], here.processes, here.rank)
            _keras.keras.distribution.list_devices()
        return None
    if backend == "tensorflow":
        import tensorflow as tf

        with _keras._only_warnings_that_matter():
            return tf.distribute.MultiWorkerMirroredStrategy()
    raise InputError(
        f"Several processes train together on the backends TensorFlow and JAX, but KERAS_BACKEND "
        f"is {backend!r}."
    )


@contextlib.contextmanager
def _without_output():
    """Drops what is printed inside the block: C++ code greets the others on standard output."""
    sys.stdout.flush()
    kept = os.dup(1)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
