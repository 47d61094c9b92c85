"""Memory of a search over a hundred tiny trials: does it stay where it was?

    python benchmarks/memory.py [--trials 100]

Each trial trains an MLP of its own size for two epochs, so that no graph is used twice. Printed and
written to `benchmarks/results/memory.json`: the peak of the resident memory during each trial, of
the first twenty and of the last twenty. Linux alone: the peak is read from /proc.
"""

import argparse
import json
from pathlib import Path
import tempfile

from dlnotes import datasets, tuning
from dlnotes.builders import mlp, mlp_space
from dlnotes.machine import machine, versions
from dlnotes.tuning.search import run_trials
import keras
import sklearn.datasets

RESULTS = Path(__file__).parent / "results" / "memory.json"
EDGE = 20


def peak_mib():
    """The peak of the resident memory since the last call, in mebibytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM"))
    Path("/proc/self/clear_refs").write_text("5")
    return int(peak.split()[1]) / 2**10


def digits():
    x, y = sklearn.datasets.load_digits(return_X_y=True)
    parts = [datasets.Split(x[a:b] / 16, y[a:b]) for a, b in ((0, 900), (900, 1300), (1300, 1700))]
    return datasets.Dataset(*parts)


def measure(trials):
    """The peak memory of each trial of one search, in mebibytes."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    options = {"input_shape": (64,), "outputs": 10, "loss": loss, "metrics": ["accuracy"]}
    model = tuning.hypermodel(mlp, mlp_space, **options)
    task, peaks = tuning.Task(model, digits(), "val_accuracy", epochs=2), []

    def watched(task, oracle, *, lines, **options):
        peak_mib()
        run_trials(task, oracle, lines=lambda trial_id: peaks.append(peak_mib()), **options)

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "search"
        tuning.search(task, trials=trials, repeats=0, folder=place, run=watched)
    return peaks


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=100)
    peaks = measure(parser.parse_args().trials)
    first, last = max(peaks[:EDGE]), max(peaks[-EDGE:])
    values = {
        "trials": len(peaks),
        "peak_mib": [round(peak, 1) for peak in peaks],
        "first": round(first, 1),
        "last": round(last, 1),
        "growth": round(last / first - 1, 4),
        "versions": versions(),
        "machine": machine(),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(values, indent=1) + "\n")
    print(f"first {EDGE} trials: at most {first:.0f} MiB; last {EDGE}: {last:.0f} MiB", end="; ")
    print(f"growth {values['growth']:+.1%}; written to {RESULTS}")


if __name__ == "__main__":
    main()
