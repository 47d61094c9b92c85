"""Where the time goes: the default run of every recipe, and the test suite.

    python benchmarks/together.py                 the recipes, then the suite
    python benchmarks/together.py --recipes       the recipes alone
    python benchmarks/together.py --tiny          only see that it runs, on two recipes

Each recipe runs in a process of its own. Its time is divided into the imports, the first step of
each `fit` (TensorFlow traces the model there), the rest of all `fit` calls, predictions, and
everything else. The suite is divided by test file. Writes `benchmarks/results/together.json`.
"""

import argparse
from collections import defaultdict
import json
import logging
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import time
from xml.etree import ElementTree

from dlnotes import catalogue
from dlnotes.machine import machine, versions

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "together.json"
MARK = "measured: "


class Clock:
    """Adds up the seconds of named parts; a part inside another does not count twice."""

    def __init__(self):
        self.seconds = defaultdict(float)
        self.part, self.since = "everything else", time.perf_counter()

    def turn_to(self, part):
        """Ends one part and begins another; returns the one that ended."""
        now = time.perf_counter()
        self.seconds[self.part] += now - self.since
        ended, self.part, self.since = self.part, part, now
        return ended

    def timed(self, part, function):
        """The function, with its time counted as that of the part."""

        def call(*arguments, **options):
            outer = self.turn_to(part)
            try:
                return function(*arguments, **options)
            finally:
                self.turn_to(outer)

        return call


def profile(name, options):
    """Runs a recipe in this process and prints where its time went."""
    logging.getLogger("tensorflow").setLevel("ERROR")
    clock = Clock()
    clock.turn_to("imports")
    from dlnotes._keras import keras

    class FirstStep(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if clock.part == "first steps":
                clock.turn_to("other steps")

    recipe = catalogue.find(name)
    story = recipe.load()
    fit = keras.Model.fit

    def watched(model, *arguments, callbacks=None, **more):
        return fit(model, *arguments, callbacks=[*(callbacks or ()), FirstStep()], **more)

    keras.Model.fit = clock.timed("first steps", watched)
    for method in ("predict", "evaluate"):
        setattr(keras.Model, method, clock.timed("predictions", getattr(keras.Model, method)))
    clock.turn_to("everything else")
    story.run(**options)
    clock.turn_to("the end")
    print(MARK + json.dumps(clock.seconds))


def recipes(tiny):
    """The parts of every recipe's time, and how long its process took."""
    rows = []
    for recipe in catalogue.recipes()[: 2 if tiny else None]:
        begin = time.perf_counter()
        command = [sys.executable, __file__, "--profile", recipe.name, *["--tiny"] * tiny]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        seconds = time.perf_counter() - begin
        line = next(line for line in output.splitlines() if line.startswith(MARK))
        rows.append({"recipe": recipe.name, "seconds": seconds} | json.loads(line[len(MARK) :]))
        print(f"{recipe.name:24}{seconds:8.1f} s", flush=True)
    return rows


def suite(tests):
    """The suite's time on the clock, and that of each test file, all workers together."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *tests]
        begin = time.perf_counter()
        ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode
        seconds = time.perf_counter() - begin
        return {"seconds": seconds, "passed": ended == 0, "files": by_file(report)}


def by_file(report):
    """Seconds and number of tests of each test file, the longest first."""
    files = defaultdict(lambda: {"tests": 0, "seconds": 0.0})
    for case in ElementTree.parse(report).iter("testcase"):
        parts = case.get("classname").split(".")
        name = next(
            (
                "/".join(parts[:length]) + ".py"
                for length in range(len(parts), 0, -1)
                if (ROOT / ("/".join(parts[:length]) + ".py")).is_file()
            ),
            case.get("classname"),
        )
        files[name]["tests"] += 1
        files[name]["seconds"] += float(case.get("time"))
    return dict(sorted(files.items(), key=lambda item: -item[1]["seconds"]))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tiny", action="store_true", help="only see that it runs")
    parser.add_argument("--recipes", action="store_true", help="leave the suite out")
    parser.add_argument("--output", type=Path, help="folder of the results")
    parser.add_argument("--profile", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.profile:
        profile(given.profile, {"epochs": 1, "samples": 200} if given.tiny else {})
        return
    found = {"benchmark": "together", "recipes": recipes(given.tiny)}
    found["recipe_seconds"] = sum(row["seconds"] for row in found["recipes"])
    print(f"{'all recipes':24}{found['recipe_seconds']:8.1f} s")
    if not given.recipes:
        found["suite"] = suite(["tests/test_intervals.py"] if given.tiny else [])
        print(f"{'the suite':24}{found['suite']['seconds']:8.1f} s", flush=True)
        for name, of in list(found["suite"]["files"].items())[:15]:
            print(f"  {name:46}{of['tests']:6} tests {of['seconds']:8.1f} s")
    if given.output or not (given.tiny or given.recipes):
        path = (given.output or RESULTS.parent) / RESULTS.name
        found |= {"versions": versions(), "machine": machine()}
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        beside.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        beside.replace(path)
        print(f"written: {path}")


if __name__ == "__main__":
    main()
