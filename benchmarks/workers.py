"""Trials per minute of a recipe's own search: one worker against two, in one run.

    python benchmarks/workers.py                        mc_dropout, 16 trials, 3 rounds
    python benchmarks/workers.py stateful_lstm --trials 12 --rounds 2

The searches take turns (1, 2, 1, 2, ...) and try the same trials. Two rates are measured for each:
over everything from the start of the processes on, and without the start-up, from the first trial
that ends while all workers are at work. Every worker of W has cores // W threads.
Writes benchmarks/results/workers.json.
"""

import argparse
import json
from pathlib import Path
import statistics
import tempfile
import time

from dlnotes import catalogue, runs, tuning
from dlnotes.machine import machine, versions
from dlnotes.tuning import command, workers

RESULTS = Path(__file__).resolve().parent / "results" / "workers.json"


def measured(recipe, options, number, trials):
    """Trials per minute of one search, with and without the start-up of its processes."""
    about = {"recipe": recipe.name, "path": str(recipe.path), "options": options}
    several = workers.several(about | {"settings": {"objective": None}}, number)
    started, ends = [], []

    def run(task, oracle, lines, **facts):
        def ended(trial_id):
            all_at_work = len(oracle.ongoing_trials) == number - 1
            ends.append((time.perf_counter(), all_at_work))

        started.append(time.perf_counter())
        several(task, oracle, lines=ended, **facts)

    with tempfile.TemporaryDirectory() as folder:
        task = command.task_of(recipe, command.typed(recipe, options))
        found = tuning.search(
            task, trials=trials, repeats=0, folder=Path(folder) / "search", quiet=True, run=run
        )
    first = next(index for index, (_, all_at_work) in enumerate(ends) if all_at_work)
    last = ends[-1][0]
    return {
        "workers": number,
        "seconds": last - started[0],
        "with_start_up": 60 * len(ends) / (last - started[0]),
        "without_start_up": 60 * (len(ends) - 1 - first) / (last - ends[first][0]),
        "seconds_of_a_trial": statistics.mean(t["seconds"] for t in found.trials),
        "scores": {str(t["trial"]): t["score"] for t in found.trials},
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", nargs="?", default="mc_dropout")
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    runs.settle()
    recipe = catalogue.find(given.recipe)
    options = {option.name: option.default for option in recipe.search_options()}
    measurements = []
    print("workers  seconds  trials/min with start-up  without  seconds of a trial")
    for number in (1, 2) * given.rounds:
        one = measured(recipe, options, number, given.trials)
        measurements.append(one)
        print(
            f"{number:7} {one['seconds']:8.1f} {one['with_start_up']:25.1f} "
            f"{one['without_start_up']:8.1f} {one['seconds_of_a_trial']:19.2f}",
            flush=True,
        )
    ratios = {}
    for rate in ("with_start_up", "without_start_up"):
        rates = [[m[rate] for m in measurements if m["workers"] == n] for n in (1, 2)]
        ratios[rate] = statistics.median(rates[1]) / statistics.median(rates[0])
    scores = [m.pop("scores") for m in measurements]
    apart = max(abs(other[trial] - score) for other in scores for trial, score in scores[0].items())
    print(
        f"two workers against one: {ratios['without_start_up']:.2f} times the trials per minute "
        f"({ratios['with_start_up']:.2f} with the start-up); scores differ by {apart:.1e} at most"
    )
    facts = {
        "recipe": recipe.name,
        "options": options,
        "trials": given.trials,
        "ratios": ratios,
        "scores_apart": apart,
        "measurements": measurements,
        "machine": machine(),
        "versions": versions(),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
