"""Memory of a search over a hundred tiny trials: does it stay where it was?

    python benchmarks/memory.py [--trials 100]

Each trial trains an MLP of its own size for two epochs, so that no graph is used twice, in a worker
as `dlnotes tune` has one. Printed and written to `benchmarks/results/memory.json`: the peak of the
resident memory of the worker during each trial, and the greatest of the first and of the last
twenty; likewise for the process that keeps the search. Linux alone: the peaks are read from /proc.
"""

import argparse
import json
import os
from pathlib import Path
import tempfile

from dlnotes import datasets, tuning
from dlnotes.builders import mlp, mlp_space
from dlnotes.machine import machine, versions
from dlnotes.tuning.workers import several
import keras
import sklearn.datasets

RESULTS = Path(__file__).parent / "results" / "memory.json"
EDGE = 20


def task():
    x, y = sklearn.datasets.load_digits(return_X_y=True)
    parts = [datasets.Split(x[a:b] / 16, y[a:b]) for a, b in ((0, 900), (900, 1300), (1300, 1700))]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    options = {"input_shape": (64,), "outputs": 10, "loss": loss, "metrics": ["accuracy"]}
    model = tuning.hypermodel(mlp, mlp_space, **options)
    return tuning.Task(model, datasets.Dataset(*parts), "val_accuracy", epochs=2)


def peak_mib(process):
    """The peak of a process's resident memory since the last call, in mebibytes."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM"))
    Path(f"/proc/{process}/clear_refs").write_text("5")
    return int(peak.split()[1]) / 2**10


def child():
    """The number of the worker's process."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        if path.read_text().rpartition(")")[2].split()[1] == str(os.getpid()):
            return path.parent.name
    raise RuntimeError("there is no worker")


def measure(trials):
    """The peaks of the worker and of this process during each trial."""
    peaks = {"worker": [], "keeper": []}
    run = several({"source": "memory:task"}, workers=1)

    def look(trial_id):
        peaks["worker"].append(peak_mib(child()))
        peaks["keeper"].append(peak_mib(os.getpid()))

    def watched(task, oracle, *, lines, **options):
        run(task, oracle, lines=look, **options)

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "search"
        tuning.search(task(), trials=trials, repeats=0, folder=place, run=watched)
    return peaks


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=100)
    peaks = measure(parser.parse_args().trials)
    values = {"versions": versions(), "machine": machine()}
    for who, numbers in peaks.items():
        first, last = max(numbers[:EDGE]), max(numbers[-EDGE:])
        growth = last / first - 1
        numbers = [round(number, 1) for number in numbers]
        values[who] = {"first": first, "last": last, "growth": growth, "peak_mib": numbers}
        print(
            f"{who}: first {EDGE} trials at most {first:.0f} MiB, last {EDGE} {last:.0f} MiB",
            end="",
        )
        print(f" ({growth:+.1%})")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(values, indent=1) + "\n")
    print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
