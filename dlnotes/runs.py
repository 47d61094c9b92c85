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

from dlnotes import session
from dlnotes.errors import InputError
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
    started = datetime.datetime.now()
    folder, part = _new_folder(Path(output) / recipe.name, started)
    begin = time.perf_counter()
    try:
        logs = part / "tensorboard" if tensorboard else None
        report, interrupted = _measure(recipe, arguments, quiet, logs)
        if report is None:
            shutil.rmtree(part)
            return Outcome(None, None, (), interrupted)
        about = {
            "title": recipe.title,
            "family": recipe.family,
            "interrupted": interrupted,
            "arguments": {name: _plain(value) for name, value in arguments.items()},
            "command": _command(recipe, arguments),
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - begin, 1),
            "versions": versions(),
            "machine": machine(),
        }
        return Outcome(report, folder, _save(report, folder, about), interrupted)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        with contextlib.suppress(OSError):
            part.parent.rmdir()
        raise


def _measure(recipe, arguments, quiet, logs):
    """Runs the recipe: its report, and whether Ctrl-C ended it."""
    module = recipe.load()
    settle()
    with (
        progress_for(recipe, quiet) as progress,
        session.opened(session.Session(recipe, progress, logs)) as current,
    ):
        try:
            return module.run(**arguments), False
        except KeyboardInterrupt:
            return (current.reports[-1] if current.reports else None), True


def _save(report, folder, about):
    try:
        return tuple(report.save(folder, about))
    except OSError as error:
        raise InputError(
            f"Cannot write the run to {folder}: {error.strerror or error}. Free some space or "
            "choose another folder with --output."
        ) from error


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
    words = ["dlnotes", "run", recipe.name]
    for option in recipe.options:
        value = arguments[option.name]
        if option.type is bool:
            words.append(option.flag if value else option.flag.replace("--", "--no-", 1))
        elif value is not None:
            words += [option.flag, str(value)]
    return shlex.join(words)


def story(outcome):
    """What a person reads at the end: the table, the traps, and what was written.

    Args:
        outcome: An `Outcome`.

    Returns:
        String of several lines.
    """
    if outcome.report is None:
        return "Stopped before anything was measured. Nothing was written."
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
    return "\n".join(lines)


def as_json(outcome):
    """The report of an outcome as JSON text."""
    path = outcome.folder / "report.json"
    return json.dumps(json.loads(path.read_text()) | {"folder": str(outcome.folder)}, indent=2)
