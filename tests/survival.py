"""Kills programs at random moments, goes on, and compares with what was never interrupted.

    python tests/survival.py training --times 20 --seed 0     one fit with AtomicCheckpoint
    python tests/survival.py run --times 20                   `dlnotes run` and its --resume
    python tests/survival.py saving --times 20                kills while a checkpoint is written
    python tests/survival.py saving --times 20 --keras        the same with Keras' ModelCheckpoint
    python tests/survival.py search --times 20                `dlnotes tune` in one process
    python tests/survival.py workers --times 20               and in several

Each kill is one line; exit code 1 if anything was lost. KERAS_BACKEND=jax chooses JAX.
"""

import argparse
import contextlib
import csv
import hashlib
import json
from pathlib import Path
import random
import signal
import subprocess
import sys
import tempfile
import time

import survival_search

LIMIT = 600
RECIPE = ["mc_dropout", "--epochs", "30", "--samples", "200", "--passes", "10", "--quiet"]


class Child:
    """A process that is killed with signal 9, and that leaves marks in a file.

    Args:
        words: The words of its command line.
        folder: Folder for its marks and its output.
    """

    def __init__(self, words, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "marks"
        self.path.write_text("")
        self.output = (folder / "output").open("w")
        self.process = subprocess.Popen(
            [*map(str, words)], stdout=self.output, stderr=subprocess.STDOUT
        )
        self.limit = time.monotonic() + LIMIT

    def marks(self):
        """The lines that it has written so far."""
        return self.path.read_text().splitlines()

    def wait_until(self, condition):
        """Waits for a condition or for the end of the process."""
        while not condition() and self.process.poll() is None:
            if time.monotonic() > self.limit:
                self.kill()
                raise TimeoutError(f"{self.process.args} ran for more than {LIMIT} seconds")
            time.sleep(0.005)

    def kill(self):
        """Kills it; returns whether it was still running."""
        running = self.process.poll() is None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.output.close()
        return running

    def finish(self):
        """Lets it run to its end."""
        self.wait_until(lambda: False)
        self.output.close()
        if self.process.returncode:
            raise RuntimeError(Path(self.output.name).read_text()[-2000:])


def script(*words):
    """The command line by which this file starts itself."""
    return [sys.executable, __file__, *words]


def mark(folder, text):
    """Appends a line to the marks of this process; it stays when the process is killed."""
    with (Path(folder) / "marks").open("a") as file:
        file.write(text + "\n")


def mark_writes(folder):
    """Marks the begin and the end of every write of a checkpoint."""
    from dlnotes.callbacks import _checkpoint_files as files

    write = files.write

    def marking(place, state, arrays, keep):
        mark(folder, f"writing {state['epoch']} {digest(arrays[: len(state['variables'])])}")
        begin = time.monotonic()
        path = write(place, state, arrays, keep)
        mark(folder, f"written {time.monotonic() - begin}")
        return path

    files.write = marking


def digest(arrays):
    """A checksum of arrays."""
    checksum = hashlib.sha256()
    for array in arrays:
        checksum.update(array.tobytes())
    return checksum.hexdigest()


def place(marks):
    """Where a process was killed, from its last mark."""
    last = (marks or ["start"])[-1].split()[0]
    return {"writing": "in a write", "epoch": "in an epoch", "written": "between epochs"}.get(
        last, "before the first epoch"
    )


# ------------------------------------------------------------------------------- training


def train(folder):
    """The program that is killed: dropout, shuffling, states, statistics, patience."""
    folder = Path(folder)
    from dlnotes.callbacks import AtomicCheckpoint, ResetStates
    from dlnotes.layers import StatefulLSTM
    import keras
    import numpy as np

    keras.utils.set_random_seed(3)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(160, 6, 3)).astype("float32")
    y = x[:, :, 0].sum(axis=1, keepdims=True)
    inputs = keras.Input(batch_shape=(8, 6, 3))
    hidden = StatefulLSTM(16, dropout=0.2)(inputs)
    hidden = keras.layers.Dropout(0.3)(keras.layers.BatchNormalization()(hidden))
    model = keras.Model(inputs, keras.layers.Dense(1)(hidden))
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])

    class Marks(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            mark(folder, f"epoch {epoch}")

    mark_writes(folder)
    others = [
        ResetStates(every=4),
        keras.callbacks.ReduceLROnPlateau(patience=3),
        keras.callbacks.EarlyStopping(patience=12, restore_best_weights=True),
        Marks(),
    ]
    history = model.fit(
        x[:120],
        y[:120],
        batch_size=8,
        epochs=60,
        validation_data=(x[120:], y[120:]),
        validation_batch_size=8,
        verbose=0,
        callbacks=[*others, AtomicCheckpoint(folder / "checkpoints", others)],
    )
    variables = [*model.variables, *model.optimizer.variables]
    values = {str(i): np.array(variable.value) for i, variable in enumerate(variables)}
    stop = others[2]
    values["patience"] = np.array([stop.wait, stop.best_epoch, stop.stopped_epoch])
    np.savez(folder / "variables.npz", **values)
    (folder / "history.json").write_text(json.dumps([history.epoch, history.history]))


def trained(folder):
    """What a training left: a checksum of all variables, and the history."""
    import numpy as np

    with np.load(folder / "variables.npz") as file:
        values = [file[name] for name in file.files]
    return digest(values), (folder / "history.json").read_text()


def has_begun(child, epoch):
    """Whether a training has come to an epoch."""
    begun = [line.split()[1] for line in child.marks() if line.startswith("epoch ")]
    return bool(begun) and int(begun[-1]) >= epoch


def training(times, seed):
    """Kills a training, goes on (and is killed again), and compares bit for bit."""
    with tempfile.TemporaryDirectory() as temporary:
        whole = Path(temporary, "whole")
        child = Child(script("train", whole), whole)
        child.wait_until(child.marks)
        begin = time.monotonic()
        child.finish()
        seconds = time.monotonic() - begin
        expected = trained(whole)
        epochs = len(json.loads(expected[1])[0])
        print(f"uninterrupted: {epochs} epochs in {seconds:.1f} s", flush=True)
        draw, lost, places = random.Random(seed), 0, []
        for number in range(times):
            folder = Path(temporary, str(number))
            here, epoch = [], 0
            for _ in range(draw.randint(1, 2)):
                epoch = draw.randrange(epoch, epochs)
                child = Child(script("train", folder), folder)
                child.wait_until(lambda child=child, epoch=epoch: has_begun(child, epoch))
                time.sleep(draw.uniform(0, 1.5 * seconds / epochs))
                here.append(place(child.marks()) if child.kill() else "after the end")
            Child(script("train", folder), folder).finish()
            equal = trained(folder) == expected
            lost += not equal
            places += here
            print(f"{number + 1}: killed {', then '.join(here)}: {said(equal)}", flush=True)
    return summary(places, lost)


# ------------------------------------------------------------------------------------ run


def run_result(output):
    """What a run left: rows, history and a checksum of its models' weights."""
    from dlnotes import saving
    import numpy as np

    (folder,) = Path(output).glob("*/[!.]*")
    values = []
    for path in sorted(folder.glob("models/*.keras")):
        model = saving.load_model(path)
        values += [np.array(v.value) for v in [*model.weights, *model.optimizer.variables]]
    report = json.loads((folder / "report.json").read_text())
    times = {"started", "seconds"}
    facts = {name: value for name, value in report.items() if name not in times}
    return facts, list(csv.reader((folder / "history.csv").open())), digest(values)


def run(times, seed):
    """Kills `dlnotes run`, goes on with --resume (killed again), and compares bit for bit."""
    dlnotes = [sys.executable, "-m", "dlnotes", "run"]
    with tempfile.TemporaryDirectory() as temporary:

        def start(name, *words):
            """Starts a run, and waits until it is under way and has a checkpoint."""
            output = Path(temporary, name, "runs")
            begin = time.time()
            child = Child([*dlnotes, *words, "--output", output], output.parent)

            def is_under_way():
                begun = [path.stat().st_mtime > begin for path in output.glob("*/.*/run.json")]
                return any(begun) and any(output.glob("*/.*/checkpoints/*/epoch-*"))

            child.wait_until(is_under_way)
            return child, output

        child, output = start("whole", *RECIPE)
        begin = time.monotonic()
        child.finish()
        seconds = time.monotonic() - begin
        expected = run_result(output)
        words = " ".join(RECIPE)
        print(f"uninterrupted: {words}: {seconds:.1f} s after its first checkpoint", flush=True)
        draw, lost, places = random.Random(seed), 0, []
        for number in range(times):
            words, here = RECIPE, []
            for _ in range(draw.randint(1, 2)):
                child, output = start(str(number), *words)
                time.sleep(draw.uniform(0, 0.7 * seconds))
                running = child.kill()
                if not running or any(output.glob("*/[!.]*/report.json")):
                    here.append("after the end")
                    break
                in_write = any(output.glob("*/.*/checkpoints/*/.epoch-*"))
                here.append("in a write" if in_write else "elsewhere")
                words = ["--resume", "last", "--quiet"]
            if here[-1] != "after the end":
                start(str(number), *words)[0].finish()
            equal = run_result(output) == expected
            lost += not equal
            places += here
            print(f"{number + 1}: killed {', then '.join(here)}: {said(equal)}", flush=True)
    return summary(places, lost)


# --------------------------------------------------------------------------------- saving


def save(folder, by_keras):
    """The program that is killed: a model of 50 MB is written after each step."""
    folder = Path(folder)
    from dlnotes.callbacks import AtomicCheckpoint
    import keras
    import numpy as np

    model = keras.Sequential([keras.Input((3500,)), keras.layers.Dense(3500)])
    model.compile("sgd", "mse")
    checkpoint = AtomicCheckpoint(folder / "checkpoints")
    if by_keras:
        checkpoint = keras.callbacks.ModelCheckpoint(str(folder / "model.keras"))
        plain = checkpoint._save_model

        def marking(*arguments, **keywords):
            mark(folder, "writing")
            begin = time.monotonic()
            plain(*arguments, **keywords)
            mark(folder, f"written {time.monotonic() - begin}")

        checkpoint._save_model = marking
    else:
        mark_writes(folder)
    x = np.ones((1, 3500), "float32")
    model.fit(x, x, epochs=10_000, verbose=0, callbacks=[checkpoint])


def is_whole(folder, marks, by_keras):
    """Whether there is a checkpoint that equals one of the states that were to be saved."""
    if by_keras:
        import keras

        with contextlib.suppress(Exception):
            return bool(keras.saving.load_model(folder / "model.keras"))
        return False
    from dlnotes.callbacks import _checkpoint_files as files

    found = files.read_newest(folder / "checkpoints")
    if not found:
        return False
    _, state, arrays = found
    written = digest(arrays[: len(state["variables"])])
    return f"writing {state['epoch']} {written}" in marks


def writes(child):
    """The seconds that each finished write of a program took."""
    return [float(line.split()[1]) for line in child.marks() if line.startswith("written")]


def saving(times, seed, keras=False):
    """Kills a program while it writes a checkpoint; an older or the new one must be whole."""
    draw, lost, places = random.Random(seed), 0, []
    with tempfile.TemporaryDirectory() as temporary:
        for number in range(times):
            folder = Path(temporary, str(number))
            child = Child(script("save", folder, *["--keras"] * keras), folder)
            wanted = draw.randint(1, 4)
            child.wait_until(lambda child=child, n=wanted: len(writes(child)) >= n)
            child.wait_until(lambda child=child: child.marks()[-1].startswith("writing"))
            time.sleep(draw.uniform(0, writes(child)[-1]))
            if not child.kill():
                raise RuntimeError(Path(child.output.name).read_text()[-2000:])
            marks = child.marks()
            whole = is_whole(folder, marks, keras)
            lost += not whole
            places.append(place(marks))
            print(f"{number + 1}: killed {places[-1]}: {said(whole)}", flush=True)
            subprocess.run(["rm", "-rf", folder], check=True)
    return summary(places, lost)


# ---------------------------------------------------------------------------- command line


def said(equal):
    return "nothing lost" if equal else "LOST"


def summary(places, lost):
    """Prints how many kills came where; the exit code."""
    counts = ", ".join(f"{places.count(where)} {where}" for where in sorted(set(places)))
    print(f"{len(places)} kills ({counts}); {lost} lost")
    return 1 if lost else 0


SUBCOMMANDS = {
    "training": training,
    "run": run,
    "saving": saving,
    "search": survival_search.search,
    "workers": survival_search.workers,
}


def main():
    if sys.argv[1:2] == ["train"]:
        return train(sys.argv[2])
    if sys.argv[1:2] == ["save"]:
        return save(sys.argv[2], "--keras" in sys.argv)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=SUBCOMMANDS)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keras", action="store_true", help="saving: by Keras alone")
    given = parser.parse_args()
    options = {"keras": True} if given.keras and given.what == "saving" else {}
    return SUBCOMMANDS[given.what](given.times, given.seed, **options)


if __name__ == "__main__":
    sys.exit(main())
