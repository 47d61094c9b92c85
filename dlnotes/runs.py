"""Runs a recipe for a person: progress, the folder of the run, a clean end at Ctrl-C."""

import contextlib
from dataclasses import dataclass
import datetime
import json
from pathlib import Path
import shlex
import shutil
import sys
import time

from dlnotes import resuming, session
from dlnotes.errors import InputError, TrainingError
from dlnotes.machine import machine, versions

INTERRUPTED = 130


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its report, the files written, and whether Ctrl-C ended it."""

    report: object
    folder: Path | None
    files: tuple
    interrupted: bool


def progress_for(recipe, quiet, unit="epoch"):
    """A progress display, or a context that shows nothing when quiet or without a terminal."""
    if quiet or not sys.stderr.isatty():
        return contextlib.nullcontext()
    from dlnotes.progress import Progress

    return Progress(recipe.name, unit=unit)


def run(recipe, arguments, *, output, quiet=False, tensorboard=False):
    """Runs a recipe and writes `<output>/<recipe>/<time>/`.

    Args:
        recipe: A `Recipe`.
        arguments: Dictionary of its options.
        output: Folder for all runs.
        quiet: Boolean, whether to show no progress. Defaults to `False`.
        tensorboard: Boolean, whether to write TensorBoard logs. Defaults to `False`.

    Returns:
        An `Outcome`.

    Raises:
        InputError: If the folder cannot be written to, before anything is trained.
    """
    parent = Path(output) / recipe.name
    waiting = resuming.unfinished(parent)
    if waiting and not quiet:
        print(f"dlnotes: an earlier run was broken off; {_go_on(waiting[-1])}.", file=sys.stderr)
    started = datetime.datetime.now()
    _, part = _new_folder(parent, started)
    return _finish(resuming.Unfinished(recipe, arguments, started, part, tensorboard), quiet)


def resume(name, *, output, recipe=None, quiet=False):
    """Goes on with a run that was interrupted.

    Args:
        name: String: the path of the run's folder, its time stamp, or `"last"`.
        output: Folder for all runs.
        recipe: A `Recipe` that the run must be of. Defaults to `None`: any.
        quiet: Boolean, whether to show no progress. Defaults to `False`.

    Returns:
        An `Outcome`.

    Raises:
        InputError: If the run cannot go on.
    """
    return _finish(resuming.reopen(resuming.find(name, output, recipe)), quiet)


def _finish(run, quiet):
    begin = time.perf_counter()
    try:
        report, interrupted = _measure(run, quiet)
        if report is None:
            kept = resuming.can_go_on(run.part)
            if not kept:
                shutil.rmtree(run.part)
            return Outcome(None, run.part if kept else None, (), interrupted)
        about = {
            "title": run.recipe.title,
            "family": run.recipe.family,
            "interrupted": interrupted,
            "arguments": {name: _plain(value) for name, value in run.arguments.items()},
            "command": _command(run.recipe, run.arguments),
            "started": run.started.isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - begin, 1),
            "versions": versions(),
            "machine": machine(),
        }
        return Outcome(report, run.folder, _save(report, run, about), interrupted)
    except BaseException as error:
        if not resuming.can_go_on(run.part):
            shutil.rmtree(run.part, ignore_errors=True)
            with contextlib.suppress(OSError):
                run.part.parent.rmdir()
        elif isinstance(error, InputError) and not isinstance(error, TrainingError):
            raise InputError(f"{error} Then {_go_on(run.part)}.") from error
        raise


def _go_on(folder):
    return f"`dlnotes run --resume {folder}` goes on"


def _measure(run, quiet):
    """Runs the recipe: its report, and whether Ctrl-C ended it."""
    module = run.recipe.load()
    settle()
    run.begin()
    with (
        progress_for(run.recipe, quiet) as progress,
        session.opened(session.Session(run.recipe, progress, run.logs)) as current,
        run.checkpointed(),
    ):
        try:
            return module.run(**run.arguments), False
        except KeyboardInterrupt:
            return (current.reports[-1] if current.reports else None), True


def _save(report, run, about):
    """Writes the report. Only an interrupted run keeps what it needs for going on."""
    resuming.sweep(run.part)
    try:
        files = report.save(run.folder, about)
    except OSError as error:
        raise InputError(
            f"Cannot write the run to {run.folder}: {error.strerror or error}. Free some space or "
            "choose another folder with --output."
        ) from error
    if not (about["interrupted"] and resuming.can_go_on(run.folder)):
        resuming.clear(run.folder)
    return tuple(path for path in files if not resuming.is_kept(path, run.folder))


def settle():
    """Quietens TensorFlow for a run, if the recipe that was loaded uses Keras at all."""
    if "keras" in sys.modules:
        from dlnotes import _keras

        _keras.settle()


def _new_folder(parent, started):
    """A free folder for this moment, and the folder that is filled until it is complete."""
    stamp = started.strftime("%Y-%m-%dT%H-%M-%S")
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for number in range(1, 1000):
            folder = parent / (stamp if number == 1 else f"{stamp}-{number}")
            part = folder.with_name(f".{folder.name}.part")
            if not folder.exists():
                with contextlib.suppress(FileExistsError):
                    part.mkdir()
                    return folder, part
    except OSError as error:
        raise InputError(
            f"Cannot write to the folder {parent} ({error.strerror}). Choose another one with "
            "--output."
        ) from error
    raise InputError(f"There are a thousand runs in {parent} at {stamp} already. Wait a second.")


def _plain(value):
    return str(value) if isinstance(value, Path) else value


def _command(recipe, arguments):
    """The command line that repeats this run."""
    return shlex.join(["dlnotes", *words(recipe.name, recipe, arguments)])


def words(name, recipe, arguments):
    """The words of the command line for a run.

    Args:
        name: String, the name or path by which the recipe is called.
        recipe: A `Recipe`.
        arguments: Dictionary of its options.

    Returns:
        List of strings, without the program's name.
    """
    words = ["run", name]
    for option in recipe.options:
        value = arguments[option.name]
        if option.type is bool:
            words.append(option.flag if value else option.flag.replace("--", "--no-", 1))
        elif value is not None:
            words += [option.flag, str(value)]
    return [*words, *recipe.more_words]


def story(outcome):
    """What a person reads at the end: the table, the traps, and what was written.

    Args:
        outcome: An `Outcome`.

    Returns:
        String of several lines.
    """
    if outcome.report is None and outcome.folder is None:
        return "Stopped before anything was measured. Nothing was written."
    if outcome.report is None:
        return f"Stopped before anything was measured; {_go_on(outcome.folder)}."
    lines = ["Stopped. This is what exists so far.", ""] if outcome.interrupted else []
    lines += [str(outcome.report), ""]
    if outcome.report.traps:
        lines.append("Traps shown:")
        for trap in outcome.report.traps:
            lines += [f"  {trap['trap']}", f"    plain Keras: {trap['plain']}"]
            lines.append(f"    dlnotes: {trap['ours']}")
        lines.append("")
    figures = [path for path in outcome.files if path.suffix == ".png"]
    lines += [f"figure: {path}" for path in figures]
    names = [str(path.relative_to(outcome.folder)) for path in outcome.files]
    others = [name for name in names if not name.endswith(".png")]
    lines.append(f"written to {outcome.folder}: {', '.join(others)}")
    if outcome.interrupted and resuming.can_go_on(outcome.folder):
        lines.append(f"Stopped; {_go_on(outcome.folder)}.")
    return "\n".join(lines)


def as_json(outcome):
    """The report of an outcome as JSON text."""
    path = outcome.folder / "report.json"
    return json.dumps(json.loads(path.read_text()) | {"folder": str(outcome.folder)}, indent=2)
