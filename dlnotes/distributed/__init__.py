"""Training in several processes, on one machine or on several."""

from dlnotes.distributed.process import Process, process, start

__all__ = ["Process", "fit", "process", "start"]


def __getattr__(name):
    if name == "fit":
        from dlnotes.distributed.training import fit

        return fit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
