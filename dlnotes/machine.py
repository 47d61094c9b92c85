"""What a result was made with: versions and machine."""

import functools
import importlib.metadata
import os
from pathlib import Path
import platform
import resource
import sys

PACKAGES = (
    "dlnotes",
    "keras",
    "tensorflow",
    "keras-tuner",
    "tensorflow-hub",
    "numpy",
    "pandas",
    "scikit-learn",
    "matplotlib",
)


def versions():
    """Versions of Python and of the packages that results depend on, by name.

    Where another backend than TensorFlow is asked for (`KERAS_BACKEND`), it is among them.
    """
    found = {"python": platform.python_version()}
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    return found | {name: _version(name) for name in dict.fromkeys([*PACKAGES, backend])}


@functools.cache
def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def machine():
    """Cores, memory in gibibytes and processor of this machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "processor": _processor(),
        "system": platform.system(),
    }


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def peak_memory_mib():
    """The largest memory of this process so far, in mebibytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))
