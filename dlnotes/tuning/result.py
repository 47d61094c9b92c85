"""What a search found: the table of the best, the picture, `best.json` and the refitted model."""

import csv
from dataclasses import dataclass
import io
import json
import math
from pathlib import Path
import statistics

from dlnotes import report, saving
from dlnotes._keras import keras
from dlnotes.errors import InputError
from dlnotes.machine import versions
from dlnotes.tuning import pictures, trial
from dlnotes.tuning.lines import short
from dlnotes.tuning.oracles import write_json
import keras_tuner
import numpy as np

SHOWN = 5
REPEATED = 3
NEEDS_VALIDATION = (keras.callbacks.EarlyStopping, keras.callbacks.ReduceLROnPlateau)


@dataclass(frozen=True)
class Result:
    """What a search found.

    Args:
        folder: Path of the search's folder, with `best.json`, `model.keras`, `trials.csv`,
            `report.md` and `figures/`.
        facts: Dictionary, what `best.json` holds: objective, score, values, test scores, versions.
        trials: List of dictionaries, the best trial first: `trial`, `status`, `score`, `scores`
            (over seeds, or over folds), `epochs`, `seconds`, `reason` and `values`.
    """

    folder: Path
    facts: dict
    trials: list

    @property
    def best(self):
        """The hyper-parameters of the best trial, by name."""
        return self.facts["values"]

    @property
    def model(self):
        """The best model, trained anew on the training and the validation part."""
        return saving.load_model(self.folder / "model.keras")

    def __str__(self):
        lines = [report.as_text(*table(self.facts["objective"], self.trials[:SHOWN]))]
        failed = [t for t in self.trials if t["status"] == "FAILED"]
        if failed:
            lines.append(f"{len(failed)} of {len(self.trials)} trials failed, the first one:")
            lines.append(f"  trial {failed[0]['trial']}: {failed[0]['reason']}")
        scores = ", ".join(f"{name} {value:.4g}" for name, value in self.facts["test"].items())
        lines.append(f"the best one, trained on both parts, on the test part: {scores}")
        return "\n".join(lines)


def finish(task, oracle, folder, seed, folds, repeats, about, lines):
    """Repeats the best trials with other seeds, refits the best one and writes the results."""
    name, direction = task.objective.name, task.objective.direction
    records = ranked([record(t, name, folds) for t in oracle.trials.values()], direction)
    repeat(task, records[:REPEATED], folder, seed, folds, repeats, lines)
    records = ranked(records[:REPEATED], direction) + records[REPEATED:]
    best = records[0]
    epochs = max(1, round(best["epochs"]))
    lines.say(f"the best one is trial {best['trial']}; training it on both parts")
    model, test = refit(task, best["values"], epochs, seed)
    facts = {
        **about,
        "objective": name,
        "direction": direction,
        "score": best["score"],
        "scores": best["scores"],
        "trial": best["trial"],
        "values": best["values"],
        "epochs": epochs,
        "seed": seed,
        "folds": folds,
        "test": test,
        "versions": versions(),
    }
    try:
        _save(model, facts, records, folder, name, direction)
    except OSError as error:
        raise InputError(f"Cannot write to {folder} ({error.strerror or error}).") from error
    return Result(folder, facts, records)


def record(of, name, folds):
    """What is known about one trial, as plain values."""
    metrics = {key: of.metrics.get_last_value(key) for key in of.metrics.metrics}
    scores = [metrics[f"fold {n}"] for n in range(1, (folds or 0) + 1) if f"fold {n}" in metrics]
    done = of.status == "COMPLETED"
    return {
        "trial": int(of.trial_id),
        "status": of.status,
        "score": of.score if done else None,
        "scores": (scores or [of.score]) if done else [],
        "epochs": metrics.get("epochs"),
        "seconds": metrics.get("seconds"),
        "reason": of.message,
        "values": dict(of.hyperparameters.values),
    }


def ranked(records, direction):
    """Records with the best first and those without a score last."""
    sign = -1 if direction == "max" else 1
    return sorted(records, key=lambda r: (r["score"] is None, sign * (r["score"] or 0), r["trial"]))


def repeat(task, records, folder, seed, folds, repeats, lines):
    """Trains trials again with other seeds: their score is then the mean over seeds."""
    path = folder / "repeats.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for best in [r for r in records if r["score"] is not None]:
        scores = [best["score"]]
        for number in range(1, repeats + 1):
            key = f"{best['trial']}/{number}"
            if key not in known:
                lines.say(f"trial {best['trial']} with another seed ({number} of {repeats})")
                hp = hyperparameters(best["values"])
                other = {"seed": seed + 1000 * number, "folds": folds}
                try:
                    known[key] = trial.evaluate(task, hp, **other)[task.objective.name]
                except trial.TrialError as error:
                    known[key] = str(error)
                write_json(path, known)
            if isinstance(known[key], float):
                scores.append(known[key])
        if len(scores) > 1:
            best["scores"], best["score"] = scores, math.fsum(scores) / len(scores)


def hyperparameters(values):
    """Values by name, as keras-tuner takes them."""
    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    return hp


def refit(task, values, epochs, seed):
    """The model of one set of values, trained on both parts, and its scores on the test part."""
    hp = hyperparameters(values)
    keras.utils.set_random_seed(seed)
    train, test = task.parts(hp, task.all_rows(), task.data.test)
    model = task.compiled(hp, train)
    arguments = {"verbose": 0} | task.fit_arguments(hp) | {"epochs": epochs}
    callbacks = arguments.pop("callbacks", [])
    arguments["callbacks"] = [c for c in callbacks if not isinstance(c, NEEDS_VALIDATION)]
    model.fit(**trial.named(train), **arguments)
    return model, scores(model, test, arguments)


def scores(model, part, arguments):
    """What `evaluate` gives, as plain numbers by name, with what `fit` was given."""
    options = {name: arguments.get(name) for name in ("batch_size", "callbacks")}
    found = model.evaluate(**trial.named(part), **options, return_dict=True, verbose=0)
    numbers = {}
    for name, value in found.items():
        values = np.ravel(value)
        names = [name] if len(values) == 1 else [f"{name} {n}" for n in range(len(values))]
        numbers |= dict(zip(names, map(float, values), strict=True))
    return numbers


def table(name, records):
    """Header and rows of the best trials."""
    values = dict.fromkeys(key for r in records for key in r["values"] if "/" not in key)
    header = ["trial", name, "n", "epochs", "seconds", *values]
    rows = []
    for r in records:
        spread = statistics.stdev(r["scores"]) if len(r["scores"]) > 1 else None
        score = "failed" if r["score"] is None else f"{r['score']:.4g}"
        score += "" if spread is None else f" ± {spread:.2g}"
        numbers = [f"{r[key]:.3g}" if r[key] else "" for key in ("epochs", "seconds")]
        settings = [short(r["values"].get(key, "")) for key in values]
        rows.append([str(r["trial"]), score, str(len(r["scores"]) or ""), *numbers, *settings])
    return header, rows


def _save(model, facts, records, folder, name, direction):
    part = folder / ".part-model.keras"
    model.save(part)
    part.replace(folder / "model.keras")
    (folder / "figures").mkdir(exist_ok=True)
    shown = pictures.draw(records, name, direction)
    for title, figure in shown.items():
        figure.savefig(folder / "figures" / f"{title}.png")
    _write(folder / "trials.csv", _csv(records))
    texts = {title: pictures.alternative_text(figure) for title, figure in shown.items()}
    images = [f"![{text}](figures/{title}.png)" for title, text in texts.items()]
    head = f"# Search for the best {name} ({len(records)} trials)"
    _write(
        folder / "report.md",
        "\n\n".join([head, report.as_markdown(*table(name, records)), *images]) + "\n",
    )
    write_json(folder / "best.json", report.finite(facts))


def _csv(records):
    names = dict.fromkeys(key for r in records for key in r["values"])
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["trial", "status", "score", "epochs", "seconds", "reason", *names])
    for r in records:
        facts = [r[key] for key in ("trial", "status", "score", "epochs", "seconds", "reason")]
        writer.writerow([*facts, *(r["values"].get(key, "") for key in names)])
    return text.getvalue()


def _write(path, text):
    part = path.with_name(f".part-{path.name}")
    part.write_text(text, encoding="utf-8", newline="")
    part.replace(path)
