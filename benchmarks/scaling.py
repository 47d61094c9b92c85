"""What more processes would bring: measures a step and a reduction, and computes the rest.

`python benchmarks/scaling.py` measures on this machine, writes `benchmarks/results/scaling.json`
and renews the table in `docs/scaling.md`; `--table` renews the table alone.

The model is one on paper. A step of `n` processes takes

    forward and backward of one n-th of the batch
    + ring all-reduce of the outputs + ring all-reduce of the gradients

where the time of a share of rows is `fixed + rows * per_row`, and a ring all-reduce of `b` bytes
takes `2 (n - 1) * (latency + b / n / bandwidth)` (Patarasuk and Yuan 2009,
https://doi.org/10.1016/j.jpdc.2008.09.002). The four numbers are fitted to measurements.
"""

import argparse
import json
import os
from pathlib import Path
import socket
import subprocess
import sys
import time

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "scaling.json"
PAGE = HERE.parent / "docs" / "scaling.md"
MARKS = "<!-- scaling: begin -->", "<!-- scaling: end -->"
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
ROWS = (16, 32, 64, 128, 256)
BYTES = (1 << 10, 1 << 14, 1 << 17, 1 << 20, 1 << 22, 1 << 24)
BATCH = 256
STEPS, FEATURES, UNITS, CLASSES = 50, 16, 64, 10
REPEATS = 40
LIMIT_SECONDS = 300
MEBI = 1 << 20


def step_seconds(numbers, rows):
    """The time of forward and backward for so many rows."""
    return numbers["fixed_seconds"] + rows * numbers["seconds_per_row"]


def reduction_seconds(numbers, workers, size):
    """The time of a ring all-reduce of `size` bytes."""
    if workers == 1:
        return 0.0
    messages = 2 * (workers - 1)
    return messages * (numbers["latency_seconds"] + size / workers / numbers["bytes_per_second"])


def speedup(numbers, workers, *, grows):
    """Rows per second of `workers` processes, as a multiple of those of one.

    Args:
        numbers: Dictionary of the fitted numbers.
        workers: Integer, the number of processes.
        grows: Boolean, whether the batch grows with the number of processes, or is shared.

    Returns:
        Float.
    """
    batch = numbers["batch"] * workers if grows else numbers["batch"]
    together = step_seconds(numbers, batch / workers)
    for size in (batch * numbers["output_bytes_per_row"], numbers["gradient_bytes"]):
        together += reduction_seconds(numbers, workers, size)
    return batch / together / (numbers["batch"] / step_seconds(numbers, numbers["batch"]))


def table(results):
    """The table of `docs/scaling.md`, from the recorded results."""
    numbers, machine, real = results["fitted"], results["machine"], results["real_step_seconds"]
    lines = [
        f"Measured on {machine['cores']} {machine['processor']} cores with "
        f"{', '.join(f'{name} {version}' for name, version in results['versions'].items())}: "
        "a step of a bidirectional LSTM "
        f"({', '.join(f'{value} {name}' for name, value in results['model'].items())}) in one "
        f"process on {numbers['batch']} rows takes "
        f"{1000 * step_seconds(numbers, numbers['batch']):.1f} ms "
        f"({1000 * numbers['fixed_seconds']:.1f} ms for any number of rows, and "
        f"{1e6 * numbers['seconds_per_row']:.0f} µs for each), its gradients are "
        f"{numbers['gradient_bytes'] / MEBI:.1f} MiB, and a message between two processes takes "
        f"{1000 * numbers['latency_seconds']:.2f} ms and "
        f"{numbers['bytes_per_second'] / MEBI:.0f} MiB/s.",
        f"Two processes really took {1000 * real['2']:.1f} ms for such a step, one "
        f"{1000 * real['1']:.1f} ms: {real['1'] / real['2']:.2f} times as fast, where the model on "
        f"paper says {speedup(numbers, 2, grows=False):.2f}.",
        "",
        "| processes | same batch: speed | rows each | batch grows: rows per second | batch |",
        "|---:|---:|---:|---:|---:|",
    ]
    for workers in WORKERS:
        same, grown = (speedup(numbers, workers, grows=grows) for grows in (False, True))
        lines.append(
            f"| {workers} | × {same:.2f} | {numbers['batch'] / workers:g} | × {grown:.2f} "
            f"| {numbers['batch'] * workers} |"
        )
    return "\n".join(lines)


def renew(page, text):
    """A page with a new table between its marks."""
    before, rest = page.split(MARKS[0])
    _, after = rest.split(MARKS[1])
    return f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}"


def fit_line(x, y):
    """Intercept and slope with the least relative error, neither below zero."""
    import numpy as np
    from scipy import optimize

    x, y = np.array(x, "float64"), np.array(y)
    columns = np.stack([1 / y, x / y], axis=1)
    scale = np.abs(columns).max(axis=0)
    solution, _ = optimize.nnls(columns / scale, np.ones(len(y)))
    return [float(value) for value in solution / scale]


def _best_seconds(function, calls=REPEATS):
    """The shortest of many calls: what else runs on the machine only makes some longer."""
    times = []
    for _ in range(calls):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return min(times)


def measure_as(rank, addresses):
    """What one of the processes measures; rank 0 prints it."""
    from dlnotes import distributed

    distributed.start(rank, addresses)
    from dlnotes.builders import bidirectional_lstm
    from dlnotes.datasets import EpochBatches
    from dlnotes.distributed import _tensorflow as engine
    from dlnotes.distributed import training
    import keras
    import numpy as np
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    model = bidirectional_lstm((STEPS, FEATURES), CLASSES, units=UNITS)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    found = {"steps": {}, "reductions": {}}
    x, y = np.ones((BATCH, STEPS, FEATURES), "float32"), np.zeros((BATCH, 1), "int32")
    training._build(model, EpochBatches(x, y, batch_size=BATCH))
    shared = engine.Engine(model)
    shared.train(x, y, None)
    found["real_step"] = _best_seconds(lambda: shared.train(x, y, None))
    if not addresses:
        for rows in ROWS:
            part = x[:rows], y[:rows], None
            shared.train(*part)
            found["steps"][rows] = _best_seconds(lambda part=part: shared.train(*part))
        found["gradient_bytes"] = 4 * sum(int(np.prod(v.shape)) for v in model.trainable_variables)
        found["output_bytes_per_row"] = 4 * CLASSES
    else:
        reduce = tf.function(engine._sum, autograph=False)
        for size in BYTES:
            values = [tf.ones(size // 4)]
            for _ in range(3):
                reduce(values)
            calls = 10 * REPEATS if size < MEBI else REPEATS
            found["reductions"][size] = _best_seconds(lambda v=values: reduce(v), calls)
    if rank == 0:
        print(json.dumps(found))
    sys.stdout.flush()
    if rank > 0:
        sys.stdin.read()
    os._exit(0)


def _run(count):
    """Rank 0's measurements, with `count` processes, each on its share of the cores."""
    ports = []
    for _ in range(count if count > 1 else 0):
        with socket.create_server(("127.0.0.1", 0)) as server:
            ports.append(f"127.0.0.1:{server.getsockname()[1]}")
    environment = os.environ | {
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": "tensorflow",
    }
    members = [
        subprocess.Popen(
            [sys.executable, __file__, "--rank", str(rank), *ports],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if rank else None,
            text=True,
        )
        for rank in range(count)
    ]
    try:
        return json.loads(members[0].communicate(timeout=LIMIT_SECONDS)[0])
    finally:
        for member in members:
            member.kill()
            member.wait()


def measure():
    """Measures, fits, and returns what is recorded."""
    from dlnotes.machine import machine, versions

    one, two = _run(1), _run(2)
    fixed, per_row = fit_line([int(rows) for rows in one["steps"]], [*one["steps"].values()])
    # Between two processes a reduction is two messages of half the bytes each.
    sizes = [int(size) for size in two["reductions"]]
    start, per_byte = fit_line(sizes, [*two["reductions"].values()])
    return {
        "model": {"steps": STEPS, "features": FEATURES, "units": UNITS, "classes": CLASSES},
        "measured": {"step_seconds": one["steps"], "reduction_seconds": two["reductions"]},
        "fitted": {
            "batch": BATCH,
            "fixed_seconds": fixed,
            "seconds_per_row": per_row,
            "gradient_bytes": one["gradient_bytes"],
            "output_bytes_per_row": one["output_bytes_per_row"],
            "latency_seconds": start / 2,
            "bytes_per_second": 1 / per_byte,
        },
        "real_step_seconds": {"1": one["real_step"], "2": two["real_step"]},
        "versions": {name: versions()[name] for name in ("tensorflow", "keras", "dlnotes")},
        "machine": machine(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", action="store_true", help="renew the table alone")
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    parser.add_argument("addresses", nargs="*", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.rank is not None:
        measure_as(given.rank, given.addresses)
    if not given.table:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(measure(), indent=2) + "\n")
        print(f"written: {RESULTS}")
    text = table(json.loads(RESULTS.read_text()))
    PAGE.write_text(renew(PAGE.read_text(), text))
    print(text)


if __name__ == "__main__":
    main()
