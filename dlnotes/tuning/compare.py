"""`dlnotes run RECIPE --from best.json`: the best of a search against the recipe's own choice."""

import dataclasses
import json
from pathlib import Path

from dlnotes import catalogue
from dlnotes.errors import InputError


class Tuned(catalogue.Recipe):
    """A recipe whose run compares the hyper-parameters of a search with its own.

    Both are trained on the training part, the epoch is chosen on the validation part, and the
    scores are of the test part, which the search has not seen.
    """

    def load(self):
        """Itself, since it has a `run` as a recipe's module has."""
        return self

    def run(self, **arguments):
        """Trains with the recipe's own hyper-parameters and with the best ones.

        Args:
            **arguments: The options of the recipe. Its `seed` counts; everything else is as in the
                search.

        Returns:
            A `Report`.
        """
        from dlnotes import figures
        from dlnotes.report import Report
        from dlnotes.tuning import command

        facts = read(self.best_path, self)
        task = command.task_of(self, command.typed(self, facts["options"]), facts["objective"])
        name = facts["objective"].removeprefix("val_")
        better = {"max": "higher", "min": "lower"}[facts["direction"]]
        report, seed = Report(self.name, metric=name, better=better), arguments.get("seed", 0)
        variants = {"without search": task.defaults or {}, "best of the search": facts["values"]}
        for variant, values in variants.items():
            scores = _train(task, values, report, variant, seed)
            report.add(variant, seed=seed, baseline=variant == "without search", **scores)
        curves = figures.learning_curves(figures.report_histories(report), facts["objective"])
        report.figure("learning", curves, figures.alternative_text(curves))
        return report

    @property
    def best_path(self):
        """The path of `best.json`."""
        return self.fields["best"]

    @property
    def more_words(self):
        """The words of the command line that make this recipe of the plain one."""
        return ("--from", str(self.best_path))


def tuned(recipe, path):
    """The recipe with its run replaced by the comparison.

    Args:
        recipe: A `catalogue.Recipe`.
        path: Path of a `best.json` that `dlnotes tune` wrote for this recipe.

    Returns:
        A `Tuned` recipe.

    Raises:
        InputError: If the file is none of a search of this recipe.
    """
    path = Path(path)
    read(path, recipe)
    values = {field.name: getattr(recipe, field.name) for field in dataclasses.fields(recipe)}
    options = tuple(option for option in recipe.options if option.name == "seed")
    return Tuned(**values | {"fields": recipe.fields | {"best": path}, "options": options})


def seed_alone(recipe, arguments):
    """The seed among the options of a recipe, which is all that can be given with `--from`.

    Args:
        recipe: A `catalogue.Recipe`.
        arguments: Dictionary of its options.

    Returns:
        Dictionary of the seed.

    Raises:
        InputError: If another option was given.
    """
    given = [o.flag for o in recipe.options if arguments[o.name] != o.default and o.name != "seed"]
    if given:
        raise InputError(
            f"{', '.join(given)} cannot be given with --from: the data and the epochs are those of "
            "the search. Search again with other ones, or leave out --from."
        )
    return {name: value for name, value in arguments.items() if name == "seed"}


def read(path, recipe):
    """What a `best.json` holds.

    Args:
        path: Path of the file.
        recipe: The recipe that it must belong to.

    Returns:
        Dictionary.

    Raises:
        InputError: If it cannot be read or belongs to another recipe.
    """
    try:
        facts = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"--from {path} cannot be read: {error}.") from error
    needed = ("recipe", "objective", "direction", "values", "options")
    lacking = [name for name in needed if name not in facts] if isinstance(facts, dict) else needed
    if lacking:
        raise InputError(
            f"--from {path} is no result of `dlnotes tune`: it lacks {', '.join(lacking)}."
        )
    if facts["recipe"] != recipe.name:
        raise InputError(f"--from {path} belongs to {facts['recipe']}, not to {recipe.name}.")
    return facts


def _train(task, values, report, variant, seed):
    """The scores on the test part, at the epoch that is best on the validation part."""
    from dlnotes._keras import keras
    from dlnotes.tuning import result, trial

    hp = result.hyperparameters(values)
    keras.utils.set_random_seed(seed)
    train, validation, test = task.parts(hp, *vars(task.data).values())
    model = task.compiled(hp, train)
    arguments = {"verbose": 0} | task.fit_arguments(hp)
    best = keras.callbacks.EarlyStopping(
        monitor=task.objective.name,
        mode=task.objective.direction,
        patience=arguments["epochs"],
        restore_best_weights=True,
    )
    watch = report.watch(variant, seed=seed)
    options = arguments | {"callbacks": [*arguments.get("callbacks", []), best, watch]}
    model.fit(**trial.named(train), validation_data=tuple(validation), **options)
    return result.scores(model, test, arguments)
