"""Pictures of a search: the objective over the trials, and against each hyper-parameter."""

from dlnotes.figures import GREY, alternative_text, axes
from matplotlib.ticker import MaxNLocator
import numpy as np

__all__ = ["alternative_text", "draw"]
COLUMNS = 3


def draw(records, name, direction):
    """The two figures of a search.

    Args:
        records: List of dictionaries with `trial`, `score` and `values`, as in `Result.trials`.
        name: String, the objective.
        direction: `"min"` or `"max"`.

    Returns:
        Dictionary from file name to figure.
    """
    done = sorted((r for r in records if r["score"] is not None), key=lambda r: r["trial"])
    return {
        "trials": _over_trials(done, records, name, direction),
        "hyperparameters": _against_values(done, name, direction),
    }


def _over_trials(done, records, name, direction):
    figure, axis = axes(size=(6.4, 3.2))
    trials, scores = [r["trial"] for r in done], [r["score"] for r in done]
    so_far = (np.maximum if direction == "max" else np.minimum).accumulate(scores)
    axis.plot(trials, scores, "o", label="trial")
    axis.step(trials, so_far, where="post", label="best so far")
    failed = [r["trial"] for r in records if r["score"] is None]
    if failed:
        axis.plot(failed, np.full(len(failed), axis.get_ylim()[0]), "x", color=GREY, label="failed")
    axis.set(xlabel="trial", ylabel=name, title=f"{name} over {len(records)} trials")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(fontsize=8)
    best = {"max": max, "min": min}[direction](scores)
    figure.set_label(f"{name} of {len(records)} trials; the best is {best:.4g}.")
    return figure


def _against_values(done, name, direction):
    names = [n for n in dict.fromkeys(n for r in done for n in r["values"]) if "/" not in n]
    rows = max(1, -(-len(names) // COLUMNS))
    figure, panels = axes(rows, COLUMNS, size=(9.6, 2.6 * rows + 0.3), sharey=True)
    best = {"max": max, "min": min}[direction](done, key=lambda r: r["score"])
    for axis, hyperparameter in zip(np.ravel(panels), names, strict=False):
        _panel(axis, done, best, hyperparameter)
    for axis in np.ravel(panels)[len(names) :]:
        axis.set_visible(False)
    for axis in np.ravel(panels)[::COLUMNS]:
        axis.set_ylabel(name)
    told = ", ".join(f"{n} {best['values'][n]}" for n in names if n in best["values"])
    figure.set_label(f"{name} against {', '.join(names)}. The best trial has {told}.")
    return figure


def _panel(axis, done, best, hyperparameter):
    """The scores against the values of one hyper-parameter; the best trial is marked."""
    having = [r for r in done if hyperparameter in r["values"]]
    values = [r["values"][hyperparameter] for r in having]
    if any(isinstance(value, (str, bool)) for value in values):
        values = [str(value) for value in values]
    elif min(values) > 0 and max(values) >= 20 * min(values):
        axis.set_xscale("log")
    elif all(isinstance(value, int) for value in values):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.plot(values, [r["score"] for r in having], "o")
    if best in having:
        axis.plot(values[having.index(best)], best["score"], "*", markersize=13, color="#D55E00")
    axis.set_xlabel(hyperparameter)
