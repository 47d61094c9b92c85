"""`dlnotes tune`: searches the hyper-parameters of a recipe, here or in several processes."""

import dataclasses
import datetime
import json
import sys

from dlnotes import runs
from dlnotes.errors import InputError
from dlnotes.report import finite

DEFAULTS = {"tuner": "random", "trials": 20, "folds": None, "objective": None, "repeats": 2}


def tune(recipe, options, settings, *, output, quiet, as_json, resume, workers, listen, limit):
    """Searches the hyper-parameters of a recipe and prints what was found.

    Args:
        recipe: A `catalogue.Recipe`.
        options: Dictionary of the options of its search; `None` where the person gave none.
        settings: Dictionary of `tuner`, `trials`, `folds`, `objective` and `repeats`; `None` where
            the person gave none.
        output: Folder for all runs; the search gets `tune/<recipe>/<time>/` in it.
        quiet: Boolean, whether to print nothing while it runs.
        as_json: Boolean, whether to print what was found as JSON.
        resume: Boolean, whether to go on with the last search of this recipe.
        workers: Integer, number of processes on this machine beside this one; `0` to search in
            this one; `None` for one, or for none where others can join.
        listen: String, address to which workers of other machines may come, or `None`.
        limit: Float, hours after which the search stops, or `None`.

    Returns:
        Integer, the exit code.
    """
    from dlnotes import tuning

    parent = output / "tune" / recipe.name
    folder = last(parent) if resume else new(parent)
    before = begun(folder) if resume else {"options": {}, "settings": {}}
    settings = filled(settings, before["settings"], DEFAULTS)
    defaults = {option.name: option.default for option in recipe.search_options()}
    options = typed(recipe, filled(options, before["options"], defaults))
    about = {"recipe": recipe.name, "options": plain(options), "settings": settings}
    run = _in_processes(recipe, about, workers, listen, limit)
    task = task_of(recipe, options, settings["objective"])
    runs.settle()
    try:
        found = tuning.search(
            task,
            folder=folder,
            seed=options.get("seed") or 0,
            quiet=quiet or as_json,
            resume=resume,
            about=about,
            run=run,
            **{name: settings[name] for name in ("tuner", "trials", "folds", "repeats")},
        )
    except KeyboardInterrupt:
        go_on = f"dlnotes tune {recipe.name} --resume --output {output}"
        print(f"Stopped. Trials that have ended are kept in {folder}: `{go_on}`.", file=sys.stderr)
        return runs.INTERRUPTED
    facts = found.facts | {"folder": str(found.folder)}
    print(json.dumps(finite(facts), indent=2) if as_json else story(found))
    return 0


def again(recipe, number, output):
    """Runs one trial of the last search again, alone, and says whether its score is the same.

    Args:
        recipe: A `catalogue.Recipe`.
        number: Integer, the trial.
        output: Folder for all runs.

    Returns:
        Integer, the exit code: 1 if the score is another one.
    """
    from dlnotes.tuning import trial
    from dlnotes.tuning.result import hyperparameters

    folder = last(output / "tune" / recipe.name)
    about, facts = begun(folder), read(folder / "search.json")
    trials = {int(name): t for name, t in read(folder / "oracle.json")["trials"].items()}
    if number not in trials:
        raise InputError(
            f"--again {number}: the search {folder} has the trials 0 to {max(trials)}."
        )
    score = trials[number]["score"]
    task = task_of(recipe, typed(recipe, about["options"]), about["settings"]["objective"])
    hp = hyperparameters(trials[number]["hyperparameters"]["values"])
    try:
        found = trial.evaluate(task, hp, seed=facts["seed"], folds=facts["folds"])
    except trial.TrialError as error:
        print(f"trial {number} failed: {error}; recorded is {trials[number]['message'] or score}")
        return score is not None
    now = found[facts["objective"]]
    same = "as recorded" if now == score else f"but recorded is {score}"
    print(f"trial {number}: {facts['objective']} {now}, {same}")
    return now != score


def _in_processes(recipe, about, workers, listen, limit):
    """What runs the trials in other processes, or `None` for this one."""
    if workers is None:
        workers = 0 if listen else 1
    if not workers and not listen and limit is None:
        return None
    from dlnotes.tuning import workers as processes

    return processes.several(
        about | {"path": str(recipe.path)},
        workers,
        listen=listen,
        limit_seconds=limit and 3600 * limit,
    )


def task_of(recipe, options, objective=None):
    """The task of a recipe's search."""
    from dlnotes import tuning

    task = recipe.load_search().task(**options)
    if objective in (None, task.objective.name):
        return task
    return dataclasses.replace(task, objective=tuning.objective(objective))


def typed(recipe, options):
    """Options as their types say, after they were written as JSON."""
    kinds = {option.name: option.type for option in recipe.search_options()}
    return {
        name: value if value is None else kinds[name](value)
        for name, value in options.items()
        if name in kinds
    }


def filled(given, before, defaults):
    """What the person gave, else what the resumed search had, else the default."""
    return {
        name: before.get(name, defaults.get(name)) if value is None else value
        for name, value in given.items()
    }


def begun(folder):
    """What a search was begun with."""
    return read(folder / "search.json")["about"]


def read(path):
    """The values of a JSON file of a search."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error


def new(parent):
    """A folder for a new search, which is not there yet."""
    stamp = datetime.datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
    names = [stamp, *(f"{stamp}-{number}" for number in range(2, 1000))]
    return next(parent / name for name in names if not (parent / name).exists())


def last(parent):
    """The folder of the last search."""
    found = sorted(path.parent for path in parent.glob("*/search.json"))
    if not found:
        raise InputError(f"There is no search to resume in {parent}. Leave out --resume.")
    return found[-1]


def plain(options):
    """Options as JSON can hold them."""
    return {
        name: value if isinstance(value, int | float | str | None) else str(value)
        for name, value in options.items()
    }


def story(found):
    """What a person reads at the end."""
    recipe = found.facts.get("recipe")
    lines = [str(found), ""]
    lines += [f"figure: {path}" for path in sorted((found.folder / "figures").glob("*.png"))]
    lines.append(f"written to {found.folder}: best.json, model.keras, report.md, trials.csv")
    lines.append(
        f"compare it with the recipe's own choice: dlnotes run {recipe} "
        f"--from {found.folder / 'best.json'}"
    )
    return "\n".join(lines)
