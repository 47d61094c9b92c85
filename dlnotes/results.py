"""Recorded results: written by `dlnotes record`, read by the generated tables."""

import datetime
import json
import time

from dlnotes import runs, session
from dlnotes.errors import InputError
from dlnotes.fingerprint import fingerprint
from dlnotes.machine import machine, peak_memory_mib, versions
from dlnotes.report import Report, finite


def record(recipe, seeds, arguments, progress=None):
    """Runs a recipe over seeds and writes mean and spread beside it.

    Args:
        recipe: A `Recipe`.
        seeds: Integer, number of seeds, from `0` on.
        arguments: Dictionary of the recipe's other options.
        progress: A `Progress`, or `None` for silence.

    Returns:
        The path of the results file. The figures of the first seed are saved beside it.

    Raises:
        InputError: If the folder of the results cannot be written to.
    """
    folder = recipe.results_path.parent
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot write the results to {folder} ({error.strerror}). Record from a checkout."
        ) from error
    module = recipe.load()
    runs.settle()
    seconds, reports = [], []
    for seed in range(seeds):
        with session.opened(session.Session(recipe, progress)):
            started = time.perf_counter()
            reports.append(module.run(**arguments | {"seed": seed}))
            seconds.append(time.perf_counter() - started)
            reports[-1].models.clear()
    values = {
        "recipe": recipe.name,
        "family": recipe.family,
        "title": recipe.title,
        "arguments": {name: value for name, value in arguments.items() if name != "seed"},
        "seeds": list(range(seeds)),
        "summary": _together(reports).summary(),
        "traps": reports[0].traps,
        "figures": {name: alt for name, (_, alt) in reports[0].figures.items()},
        "seconds": {"mean": round(sum(seconds) / seeds, 1), "longest": round(max(seconds), 1)},
        "peak_memory_mib": peak_memory_mib(),
        "versions": versions(),
        "machine": machine(),
        "fingerprint": fingerprint(recipe.path),
        "recorded": datetime.date.today().isoformat(),
    }
    for name, (figure, _) in reports[0].figures.items():
        _write(figure_path(recipe, name), lambda path, f=figure: f.savefig(path, dpi=100))
    text = json.dumps(finite(values), indent=2, default=str, allow_nan=False) + "\n"
    _write(recipe.results_path, lambda path: path.write_text(text))
    return recipe.results_path


def figure_path(recipe, name):
    """Where the recorded picture of a figure lies."""
    return recipe.results_path.with_name(f"{recipe.name}-{name}.png")


def _write(path, write):
    part = path.with_name(f".part-{path.name}")
    write(part)
    part.replace(path)


def _together(reports):
    first = reports[0]
    together = Report(first.recipe, metric=first.metric, better=first.better)
    rows = {}
    for row in (row for report in reports for row in report.rows):
        key = (row["task"], row["variant"], row["seed"])
        rows.setdefault(key, row)
    together.rows = list(rows.values())
    return together


def read(recipe):
    """The recorded results of a recipe, or `None` where there are none.

    Args:
        recipe: A `Recipe`.

    Returns:
        Dictionary, as `record` wrote it.
    """
    try:
        return json.loads(recipe.results_path.read_text())
    except FileNotFoundError:
        return None


def is_stale(recipe):
    """Whether the code has changed since the results were recorded."""
    recorded = read(recipe)
    return recorded is None or recorded["fingerprint"] != fingerprint(recipe.path)
