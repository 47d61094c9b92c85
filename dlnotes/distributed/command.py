"""`dlnotes run --processes N [--coordinator HOST:PORT --rank R]`."""

from pathlib import Path

from dlnotes import resuming, runs
from dlnotes.distributed import launcher


def run(recipe, arguments, options, processes, coordinator, rank):
    """Runs a recipe in several processes.

    Args:
        recipe: A `Recipe`.
        arguments: Dictionary of its options.
        options: Dictionary of those of `dlnotes run`: `output`, `quiet`, `tensorboard`, `as_json`,
            `best`.
        processes: Integer or `None`.
        coordinator: String `HOST:PORT` or `None`.
        rank: Integer or `None`.

    Returns:
        Integer, the exit code.
    """
    launcher.check_options(processes, coordinator, rank)
    words = _words(recipe, arguments, options["best"])
    parent = Path(options["output"]) / recipe.name
    before = resuming.unfinished(parent)

    def mend():
        left = [folder for folder in resuming.unfinished(parent) if folder not in before]
        return _mend(left[-1] if left else None, processes, coordinator)

    return launcher.launch(
        words,
        processes,
        coordinator,
        rank,
        words_of_rank_0=[*words, *_what_to_write(options)],
        seed=arguments.get("seed") or 0,
        mend=mend,
    )


def resume(name, recipe, options, processes, coordinator, rank):
    """Goes on with a run in several processes.

    Args:
        name: String: the path of the run's folder, its time stamp, or `"last"`.
        recipe: A `Recipe` that the run must be of, or `None`: any.
        options: As in `run`.
        processes: Integer or `None`.
        coordinator: String `HOST:PORT` or `None`.
        rank: Integer or `None`.

    Returns:
        Integer, the exit code.
    """
    launcher.check_options(processes, coordinator, rank)
    found = resuming.find(name, options["output"], recipe)
    part = found.part.with_name(f".{found.folder.name}.part").absolute()
    if rank in (None, 0):
        resuming.reopen(found)
    return launcher.launch(
        _words(found.recipe, found.arguments),
        processes,
        coordinator,
        rank,
        words_of_rank_0=["run", "--resume", str(part), *_what_to_write(options)],
        seed=found.arguments.get("seed") or 0,
        kept=part,
        mend=lambda: _mend(part, processes, coordinator),
    )


def _words(recipe, arguments, best=None):
    source = ["--from", str(best)] if best else []
    return [*runs.words(str(recipe.path), recipe, arguments), *source]


def _what_to_write(options):
    flags = {"quiet": "--quiet", "tensorboard": "--tensorboard", "as_json": "--json"}
    chosen = [flag for name, flag in flags.items() if options.get(name)]
    return ["--output", str(options["output"]), *chosen]


def _mend(folder, processes, coordinator):
    if folder is None or not resuming.can_go_on(folder):
        return "No checkpoint was written yet: start it again."
    command = f"dlnotes run --resume {folder} --processes {processes}"
    if coordinator:
        return f"Go on with `{command} --coordinator {coordinator} --rank R`, R on each machine."
    return f"Go on with `{command}`."
