"""Checks the claims of recipes: runs what is missing, judges, records."""

from dataclasses import dataclass
import datetime
import json
from pathlib import Path
import time

from dlnotes import claims, runs
from dlnotes.errors import InputError
from dlnotes.fingerprint import fingerprint
from dlnotes.machine import machine, versions
from dlnotes.report import as_text
from dlnotes.verdicts import path_of, recorded
import filelock

FAILED = "failed"
WITH_SEEDS = ("empirical", "question")
FEWEST_RECORDED = 10


@dataclass(frozen=True)
class Unit:
    """One run that empirical claims need: an experiment, a seed, and where its numbers are kept."""

    experiment: object
    seed: int
    path: Path

    def kept(self):
        """The numbers and seconds of this run, or `None` where it has not been made yet."""
        try:
            return json.loads(self.path.read_text())
        except FileNotFoundError:
            return None

    def make(self):
        """Runs the experiment and keeps its numbers."""
        started = time.perf_counter()
        numbers = {key: float(value) for key, value in self.experiment.run(self.seed).items()}
        kept = {"numbers": numbers, "seconds": time.perf_counter() - started}
        part = self.path.with_suffix(".part")
        try:
            part.write_text(json.dumps(kept))
            part.replace(self.path)
        except OSError as error:
            raise InputError(
                f"Cannot keep the run in {self.path} ({error.strerror}). Free some space or choose "
                "another folder with --output; what is kept already stays."
            ) from error


@dataclass(frozen=True)
class Checked:
    """The claims of one recipe with their verdicts, and the runs by experiment behind them."""

    recipe: object
    results: list
    runs: dict


def check(recipe, *, seeds=None, exact=False, output="runs", progress=None):
    """Checks all claims of a recipe.

    Each run of an experiment is kept in `<output>/check/` under the fingerprint of its code and
    the versions of the packages: what was interrupted goes on where it stopped, and several
    processes share the work.

    Args:
        recipe: A `Recipe` with a file of claims.
        seeds: Integer, number of seeds. Defaults to that of each experiment.
        exact: Boolean, whether to leave out what needs seeds. Defaults to `False`.
        output: Folder for all runs.
        progress: A `Progress`, or `None` for silence.

    Returns:
        A `Checked`. Its results are dictionaries with `id`, `recipe`, `kind`, `statement`,
        `where`, `verdict`, `effect`, `interval`, `seeds`, `seconds`, `tests` and `recorded` (the
        recorded verdict or `None`), one for each claim.

    Raises:
        InputError: If the runs cannot be kept in `output`.
    """
    module = recipe.load_claims()
    runs.settle()
    chosen = [c for c in claims.of_module(module) if not (exact and c.kind in WITH_SEEDS)]
    experiments = {c.runs.name: c.runs for c in chosen if c.runs}
    units = _units(recipe, experiments.values(), seeds, Path(output) / "check")
    kept = _made(units, progress)
    results = [_result(claim, kept) for claim in chosen if claim.kind != "question"]
    verdicts = {result["id"]: result["verdict"] for result in results}
    results += [_answer(claim, verdicts) for claim in chosen if claim.kind == "question"]
    before = {old["id"]: old["verdict"] for old in (recorded(recipe) or {"claims": []})["claims"]}
    about = {"recipe": recipe.name}
    results = [about | result | {"recorded": before.get(result["id"])} for result in results]
    return Checked(recipe, results, kept)


def _units(recipe, experiments, seeds, folder):
    units = []
    packages = "-".join(versions()[name] for name in ("keras", "tensorflow", "numpy"))
    for experiment in experiments:
        mark = fingerprint(recipe.claims_path, [experiment.name])
        place = folder / recipe.name / f"{experiment.name}-{mark}-{packages}"
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"Cannot keep the runs in {place} ({error.strerror}). Choose another folder with "
                "--output."
            ) from error
        for seed in range(seeds or experiment.seeds):
            units.append(Unit(experiment, seed, place / f"{seed}.json"))
    return units


def _made(units, progress):
    """Makes the runs that are missing, side by side with other processes that do the same.

    Returns:
        Dictionary from the name of an experiment to what was kept, in the order of the seeds.
    """
    if progress and units:
        progress.begin("claims", len(units))
    waiting = list(units)
    while waiting:
        left = [unit for unit in waiting if not _is_made(unit, progress)]
        if len(left) == len(waiting):
            time.sleep(0.5)
        waiting = left
    kept = {}
    for unit in units:
        kept.setdefault(unit.experiment.name, []).append(unit.kept())
    return kept


def _is_made(unit, progress):
    """Makes one run unless it is kept already. `False` while another process is making it."""
    lock = filelock.FileLock(unit.path.with_suffix(".lock"))
    if unit.kept() is None:
        try:
            with lock.acquire(blocking=False):
                if unit.kept() is None:
                    if progress:
                        progress.describe(f"{unit.experiment.name} · seed {unit.seed}")
                    unit.make()
        except filelock.Timeout:
            return False
    if progress:
        progress.advance()
    return True


def _result(claim, kept):
    """What the check of one claim found, as plain values."""
    started, seeds, seconds = time.perf_counter(), 0, 0.0
    try:
        if claim.kind == "empirical":
            made = kept[claim.runs.name]
            seeds, seconds = len(made), sum(run["seconds"] for run in made)
            found = claim.findings(claims.together([run["numbers"] for run in made]))
        else:
            found = claim.findings()
            seconds = time.perf_counter() - started
        verdict = claims.verdict(found)
    except Exception as error:
        message = f"{type(error).__name__}: {' '.join(str(error).split())}"
        found, verdict = [claims.Finding("the check itself", message, FAILED)], FAILED
    telling = next((one for one in found if one.verdict == verdict), found[0])
    return _about(claim) | {
        "verdict": verdict,
        "effect": telling.to_dict()["effect"],
        "interval": telling.to_dict()["interval"],
        "seeds": seeds,
        "seconds": round(seconds, 2),
        "tests": [finding.to_dict() for finding in found],
    }


def _answer(claim, verdicts):
    settled = [verdicts.get(id) for id in claim.more["answered_by"]]
    told = all(verdict in (claims.HOLDS, claims.CONTRADICTED) for verdict in settled)
    return _about(claim) | {
        "verdict": claims.ANSWERED if told else claims.OPEN,
        "effect": None,
        "interval": None,
        "seeds": 0,
        "seconds": 0.0,
        "tests": [],
    }


def _about(claim):
    about = {name: getattr(claim, name) for name in ("id", "kind", "statement", "where")}
    return about | claim.more


def record(checked):
    """Writes verdicts beside the recipe, with the numbers of each run behind them.

    Args:
        checked: What `check` returned, with `exact=False`.

    Returns:
        The path written.

    Raises:
        InputError: If a check failed, an empirical claim rests on fewer than ten seeds, or the
            folder cannot be written to.
    """
    recipe, results = checked.recipe, checked.results
    failed = [result["id"] for result in results if result["verdict"] == FAILED]
    if failed:
        raise InputError(f"Checks that failed are not recorded: {', '.join(failed)}.")
    few = [r["id"] for r in results if r["kind"] == "empirical" and r["seeds"] < FEWEST_RECORDED]
    if few:
        raise InputError(
            f"{few[0]} rests on fewer than {FEWEST_RECORDED} seeds: record without --seeds, or "
            "with more of them."
        )
    values = {
        "recipe": recipe.name,
        "family": recipe.family,
        "claims": [
            {key: value for key, value in result.items() if key not in ("recipe", "recorded")}
            for result in results
        ],
        "runs": {name: [run["numbers"] for run in made] for name, made in checked.runs.items()},
        "versions": versions(),
        "machine": machine(),
        "fingerprint": fingerprint(recipe.claims_path),
        "recorded": datetime.date.today().isoformat(),
    }
    path = path_of(recipe)
    try:
        path.parent.mkdir(exist_ok=True)
        part = path.with_name(f".part-{path.name}")
        part.write_text(json.dumps(values, indent=1, allow_nan=False) + "\n")
        part.replace(path)
    except OSError as error:
        raise InputError(
            f"Cannot write the verdicts to {path} ({error.strerror}). Record from a checkout."
        ) from error
    return path


def is_stale(recipe):
    """Whether the claims have changed since their verdicts were recorded."""
    if not recipe.claims_path.is_file():
        return False
    before = recorded(recipe)
    return before is None or before["fingerprint"] != fingerprint(recipe.claims_path)


def differs_from_record(result):
    """Whether a verdict that no chance is part of is another than the recorded one."""
    certain = result["kind"] not in WITH_SEEDS
    return certain and result["recorded"] not in (None, result["verdict"])


def story(results):
    """What a person reads: a table for each recipe, then what is contradicted, and why.

    Args:
        results: List of dictionaries, as `check` gives them.

    Returns:
        String of several lines.
    """
    header = ["claim", "verdict", "effect", "interval", "seeds", "seconds", "recorded"]
    parts = []
    for name in dict.fromkeys(result["recipe"] for result in results):
        rows = [_row(result) for result in results if result["recipe"] == name]
        parts.append(f"{name}\n{as_text(header, rows)}")
    for result in results:
        if result["verdict"] in (claims.CONTRADICTED, FAILED):
            lines = [f"{result['id']} ({result['where']}) is {result['verdict']}:"]
            lines.append(f"  {result['statement']}")
            lines += [
                f"  {test['what']}: {test['rule']}"
                for test in result["tests"]
                if test["verdict"] == result["verdict"]
            ]
            parts.append("\n".join(lines))
    tally = {}
    for result in results:
        tally[result["verdict"]] = tally.get(result["verdict"], 0) + 1
    parts.append(", ".join(f"{count} {verdict}" for verdict, count in tally.items()))
    changed = [result["id"] for result in results if differs_from_record(result)]
    if changed:
        parts.append(f"other than recorded: {', '.join(changed)}")
    return "\n\n".join(parts)


def _row(result):
    return [
        result["id"],
        result["verdict"],
        shown(result["effect"]),
        "" if result["interval"] is None else "{} to {}".format(*map(shown, result["interval"])),
        str(result["seeds"] or ""),
        f"{result['seconds']:.1f}",
        result["recorded"] or "",
    ]


def shown(number):
    """A number as the tables show it."""
    return "" if number is None else f"{number:.3g}"
