"""Going on with a run that was interrupted: `dlnotes run --resume`."""

import contextlib
from dataclasses import dataclass, replace
import datetime
import hashlib
import json
from pathlib import Path
import shutil
import sys

from dlnotes import catalogue, fingerprint
from dlnotes.errors import InputError
from dlnotes.machine import versions
import filelock

FACTS, CHECKPOINTS, LOGS = "run.json", "checkpoints", "tensorboard"
SECONDS_BETWEEN_CHECKPOINTS = 5


@dataclass(frozen=True)
class Unfinished:
    """A run that has begun and not ended.

    Args:
        recipe: The `Recipe` that runs.
        arguments: Dictionary of its options.
        started: `datetime.datetime`.
        part: Path of the folder that is filled until the run ends.
        tensorboard: Boolean, whether TensorBoard logs are written.
    """

    recipe: object
    arguments: dict
    started: datetime.datetime
    part: Path
    tensorboard: bool

    @property
    def folder(self):
        """The folder of the run when it has ended."""
        return self.part.with_name(self.part.name.removeprefix(".").removesuffix(".part"))

    @property
    def logs(self):
        """The folder of the TensorBoard logs, or `None`."""
        return self.part / LOGS if self.tensorboard else None

    def begin(self):
        """Writes down what is needed to go on with the run."""
        facts = {
            "recipe": str(self.recipe.path),
            "arguments": {name: _for_json(value) for name, value in self.arguments.items()},
            "started": self.started.isoformat(),
            "tensorboard": self.tensorboard,
            **_code(self.recipe),
        }
        path = self.part / FACTS
        path.with_suffix(".new").write_text(json.dumps(facts, indent=2), encoding="utf-8")
        path.with_suffix(".new").replace(path)

    @contextlib.contextmanager
    def checkpointed(self):
        """Inside the block every `model.fit` writes checkpoints, and goes on from them."""
        if "keras" not in sys.modules:
            yield
            return
        from dlnotes import fitting

        (self.part / CHECKPOINTS).mkdir(exist_ok=True)
        with self._locked(), fitting.through(_Fits(self.part / CHECKPOINTS)):
            yield

    @contextlib.contextmanager
    def _locked(self):
        try:
            with filelock.FileLock(_lock(self.part), timeout=1):
                yield
        except filelock.Timeout as error:
            raise InputError(f"The run {self.folder} is under way in another process.") from error


class _Fits:
    """Numbers the fits of a run, and gives each one a folder for its checkpoints."""

    def __init__(self, folder):
        self.folder = folder
        self.number = 0
        self.inside = False

    def __call__(self, model, fit, arguments):
        if self.inside:
            return fit(**arguments)
        self.number += 1
        self.inside = True
        try:
            return fit(**arguments | self._with_checkpoint(arguments))
        finally:
            self.inside = False

    def _with_checkpoint(self, arguments):
        from dlnotes._keras import keras
        from dlnotes.callbacks import AtomicCheckpoint

        callbacks = arguments.get("callbacks")
        if isinstance(callbacks, keras.callbacks.CallbackList) or not _can_go_on(arguments):
            return {}
        callbacks = keras.tree.flatten(callbacks) if callbacks else []
        folder = self.folder / f"fit-{self.number:04d}"
        checkpoint = AtomicCheckpoint(folder, callbacks, SECONDS_BETWEEN_CHECKPOINTS)
        return {"callbacks": [*callbacks, checkpoint]}


def _can_go_on(arguments):
    """Whether the order of the data depends on nothing that a checkpoint lacks.

    Other data, such as a generator, has a state of its own: these fits are repeated as a whole.
    """
    from dlnotes._keras import keras
    from dlnotes.datasets import EpochBatches

    if arguments.get("steps_per_epoch"):
        return False
    x = arguments.get("x")
    return isinstance(x, EpochBatches) or all(hasattr(v, "shape") for v in keras.tree.flatten(x))


def find(name, output, recipe=None):
    """Finds an unfinished run, and checks that it can go on with equal results.

    Args:
        name: String: the path of the run's folder (finished or hidden), its time stamp, or
            `"last"`.
        output: Folder for all runs.
        recipe: A `Recipe` that the run must be of. Defaults to `None`: any.

    Returns:
        An `Unfinished`.

    Raises:
        InputError: If there is no such run, it has ended, it is under way, or recipe, library or
            versions are not those that it began with.
    """
    part = _find(name, Path(output))
    facts = _read(part)
    found = catalogue.find(facts["recipe"])
    if recipe and recipe.path != found.path:
        raise InputError(f"The run {part} is one of {found.name}, not of {recipe.name}.")
    if facts.get("best"):
        from dlnotes.tuning import compare

        found = compare.tuned(found, facts["best"])
    _check_unchanged(part, facts, found)
    return Unfinished(
        recipe=found,
        arguments={o.name: _typed(o, facts["arguments"][o.name]) for o in found.options},
        started=datetime.datetime.fromisoformat(facts["started"]),
        part=part,
        tensorboard=facts["tensorboard"],
    )


def reopen(run):
    """Prepares the folder of an interrupted run for going on.

    Args:
        run: An `Unfinished`.

    Returns:
        The `Unfinished`, with the path of the hidden folder as it now is.
    """
    part = run.part
    if not part.name.startswith("."):
        part = part.rename(part.with_name(f".{part.name}.part"))
    shutil.rmtree(part / LOGS, ignore_errors=True)
    return replace(run, part=part)


def unfinished(parent):
    """The hidden folders of runs that were broken off and can go on, the newest last.

    Args:
        parent: Folder of all runs of one recipe.

    Returns:
        List of `pathlib.Path`.
    """
    found = [path for path in _candidates(parent) if path.name.startswith(".")]
    return sorted(path for path in found if not is_under_way(path))


def can_go_on(folder):
    """Whether a folder holds checkpoints."""
    return any((Path(folder) / CHECKPOINTS).glob("*/epoch-*"))


def is_under_way(folder):
    """Whether a process runs in the folder."""
    if not _lock(folder).exists():
        return False
    try:
        with filelock.FileLock(_lock(folder), timeout=0):
            return False
    except filelock.Timeout:
        return True


def sweep(folder):
    """Deletes the report of an interrupted run, which a new one replaces."""
    for path in Path(folder).iterdir():
        if path.is_dir() and path.name not in (CHECKPOINTS, LOGS):
            shutil.rmtree(path)
        elif path.is_file() and path.name != FACTS:
            path.unlink()


def is_kept(path, folder):
    """Whether a file of a run is there for going on, and no result."""
    return path.relative_to(folder).parts[0] in (CHECKPOINTS, FACTS)


def clear(folder):
    """Deletes what was kept for going on."""
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    (folder / FACTS).unlink(missing_ok=True)


def _lock(folder):
    return Path(folder) / CHECKPOINTS / ".lock"


def _candidates(parent):
    """Folders below, hidden ones too, in which a run can go on."""
    try:
        folders = [path for path in Path(parent).iterdir() if (path / FACTS).is_file()]
    except OSError:
        return []
    return [folder for folder in folders if can_go_on(folder)]


def _folders(output):
    """The folders of the recipes."""
    return [path for path in output.iterdir() if path.is_dir()] if output.is_dir() else []


def _stamp(path):
    return path.name.removeprefix(".").removesuffix(".part")


def _find(name, output):
    """The folder, hidden or not, of the run that a person means."""
    candidates = [folder for parent in _folders(output) for folder in _candidates(parent)]
    if name == "last":
        waiting = [path for path in candidates if not is_under_way(path)]
        if not waiting:
            raise InputError(f"There is no interrupted run in {output}.")
        return max(waiting, key=_stamp)
    given = Path(name)
    places = [given, *(parent / given for parent in _folders(output))]
    places += [path.with_name(f".{given.name}.part") for path in places if given.name]
    found = list(dict.fromkeys(path.resolve() for path in places if path.is_dir()))
    if len(found) > 1:
        raise InputError(f"{name!r} could be {' or '.join(map(str, found))}: give the whole path.")
    if not found:
        known = sorted(map(str, candidates))
        mend = f"These can go on: {', '.join(known)}." if known else f"None in {output} can go on."
        raise InputError(f"There is no run {name!r}. {mend}")
    return found[0]


def _read(part):
    """What was written down when the run began."""
    if is_under_way(part):
        raise InputError(f"The run {part} is under way in another process.")
    try:
        return json.loads((part / FACTS).read_text(encoding="utf-8"))
    except OSError as error:
        ended = (part / "report.json").is_file()
        state = "has ended" if ended else f"holds no {FACTS}"
        raise InputError(
            f"The run {part} cannot go on: it {state}. `dlnotes run RECIPE` begins a new one."
        ) from error
    except ValueError as error:
        raise InputError(
            f"{part / FACTS} cannot be read ({error}): run the recipe anew."
        ) from error


def _code(recipe):
    """What the numbers of a run depend on besides its options."""
    facts = {
        "fingerprint": fingerprint.fingerprint(recipe.path),
        "file": _checksum(recipe.path),
        "versions": versions() | {"backend": _backend()},
    }
    best = recipe.fields.get("best")
    if best:
        searched = fingerprint.fingerprint(recipe.search_path)
        facts |= {"best": str(Path(best).absolute()), "search": searched + _checksum(best)}
    return facts


def _checksum(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _backend():
    """Keras' backend, where Keras is in use."""
    return sys.modules["keras"].config.backend() if "keras" in sys.modules else None


def _check_unchanged(part, facts, recipe):
    if facts["versions"]["backend"]:
        from dlnotes import _keras  # noqa: F401
    now = _code(recipe)
    changed = [
        f"{name} was {was or 'not set'} and is {now['versions'].get(name) or 'not set'}"
        for name, was in facts["versions"].items()
        if now["versions"].get(name) != was
    ]
    if now["fingerprint"] != facts["fingerprint"]:
        of_file = now["file"] != facts["file"]
        changed.append(f"{recipe.path} was changed" if of_file else "dlnotes was changed")
    if now.get("search") != facts.get("search"):
        changed.append(f"{facts['best']} or {recipe.search_path} was changed")
    if changed:
        raise InputError(
            f"The run {part} cannot go on with equal results: {'; '.join(changed)}. Put that back, "
            f"or begin anew with `dlnotes run {recipe.name}`."
        )


def _for_json(value):
    return str(value.absolute()) if isinstance(value, Path) else value


def _typed(option, value):
    return Path(value) if option.type is Path and value is not None else value
