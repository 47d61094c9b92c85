"""What a note says, turned into a check with a verdict."""

from dataclasses import dataclass, field
import functools
from pathlib import Path
from typing import Any

from dlnotes.intervals import mean_interval
import numpy as np

HOLDS, CONTRADICTED, NOT_SHOWN = "holds", "contradicted", "not shown"
ANSWERED, OPEN = "answered", "open"
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Claim:
    """One statement of the notes and how it is checked.

    Made by the decorators of this module, `exact`, `empirical`, `question` and `outdated`.

    Args:
        id: String, its name.
        kind: `"exact"`, `"empirical"`, `"question"` or `"outdated"`.
        statement: String, what is claimed, asked or corrected.
        where: String, its place in the notes.
        check: Function that returns one `Finding` or a list of them; `None` for a question.
        runs: The `Experiment` behind an empirical claim.
        more: Dictionary of what belongs to one kind only.
    """

    id: str
    kind: str
    statement: str
    where: str
    check: Any = None
    runs: Any = None
    more: dict = field(default_factory=dict)

    def findings(self, *arguments):
        """What the check found, as a list."""
        found = self.check(*arguments)
        return [found] if isinstance(found, Finding) else list(found)


@dataclass(frozen=True)
class Experiment:
    """Runs that several empirical claims share: a function from a seed to numbers by name."""

    name: str
    run: Any
    seeds: int


@dataclass(frozen=True)
class Finding:
    """One comparison: what was measured, by which rule, and the verdict."""

    what: str
    rule: str
    verdict: str
    effect: float | None = None
    interval: tuple | None = None

    def to_dict(self):
        """The finding as plain values."""
        interval = None if self.interval is None else [float(end) for end in self.interval]
        effect = None if self.effect is None else float(self.effect)
        return {"what": self.what, "rule": self.rule, "verdict": self.verdict} | {
            "effect": effect,
            "interval": interval,
        }


def exact(id, statement, *, where):
    """Marks a function that proves or refutes a statement by comparison.

    The function takes nothing and returns what `equal`, `differs`, `raises` or `fact` gave: one
    finding or a list, or yields them. The claim holds if all do, and is contradicted if one is.

    Args:
        id: String, the claim's name.
        statement: String, the claim in one sentence.
        where: String, its place in the notes, such as `"001:219; 002:830"`.

    Returns:
        A decorator that gives a `Claim`.

    Example:

    >>> from dlnotes import claims
    >>> import keras
    >>> @claims.exact("concat-default", "Concatenation is the default.", where="001:287")
    ... def concatenation_is_the_default():
    ...     layer = keras.layers.Bidirectional(keras.layers.LSTM(4))
    ...     return claims.equal("merge mode", layer.merge_mode, "concat")
    >>> claims.verdict(concatenation_is_the_default.findings())
    'holds'
    """
    return functools.partial(Claim, id, "exact", statement, where)


def outdated(row, *, was, now, where):
    """Marks a function that shows that a statement is wrong or out of date, and what is right.

    The function runs the old line and the new one. As long as it finds what the entry says, the
    entry holds; when Keras changes, it is contradicted and wants to be written anew.

    Args:
        row: Integer, the entry's number.
        was: String, what the notes say or do.
        now: String, what is right today.
        where: String, its place in the notes.

    Returns:
        A decorator that gives a `Claim`.
    """
    more = {"was": was, "now": now}
    return lambda check: Claim(f"outdated-{row}", "outdated", now, where, check, None, more)


def experiment(run=None, *, seeds=10):
    """Marks a function from a seed to a dictionary of numbers, on which empirical claims rest.

    Args:
        run: Function of one integer.
        seeds: Integer, over how many seeds it is run by default. Defaults to `10`.

    Returns:
        An `Experiment`, or a decorator that gives one.

    Example:

    >>> from dlnotes import claims
    >>> @claims.experiment
    ... def accuracies(seed):
    ...     return {"forward only": 0.5, "both": 0.9 + seed / 100}
    >>> accuracies.run(1)["both"]
    0.91
    """
    if run is None:
        return functools.partial(experiment, seeds=seeds)
    return Experiment(run.__name__, run, seeds)


def empirical(id, statement, *, where, runs):
    """Marks a function that judges a statement over seeds.

    The function takes a dictionary from name to an array with one number for each seed, in the
    order of the seeds, so differences are paired. It returns what `superior`, `equivalent`,
    `above`, `below` or `inside` gave: one finding or a list, or yields them. The claim holds if
    all do, is contradicted if one is, and is not shown otherwise. Margins stand in the code,
    fixed before anything is run.

    Args:
        id: String, the claim's name.
        statement: String, the claim in one sentence.
        where: String, its place in the notes.
        runs: The `Experiment` that gives the numbers.

    Returns:
        A decorator that gives a `Claim`.

    Example:

    >>> from dlnotes import claims
    >>> import numpy as np
    >>> @claims.experiment
    ... def accuracies(seed):
    ...     return {"forward only": 0.5, "both": 0.9 + seed / 100}
    >>> @claims.empirical("context-helps", "The future helps.", where="001:281", runs=accuracies)
    ... def context_helps(scores):
    ...     return claims.superior("accuracy", scores["both"] - scores["forward only"], by=0.1)
    >>> scores = claims.together([accuracies.run(seed) for seed in range(10)])
    >>> claims.verdict(context_helps.findings(scores))
    'holds'
    """
    return lambda check: Claim(id, "empirical", statement, where, check, runs)


def question(id, text, *, where, answered_by):
    """An open question of the notes, answered once the claims that settle it have verdicts.

    Args:
        id: String, the question's name.
        text: String, the question.
        where: String, its place in the notes.
        answered_by: Sequence of ids of claims of the same recipe.

    Returns:
        A `Claim`.
    """
    return Claim(id, "question", text, where, more={"answered_by": list(answered_by)})


def equal(what, measured, claimed, tolerance=TOLERANCE):
    """A finding: two values are the same.

    Args:
        what: String, what is compared.
        measured: Number, array, string or sequence of integers: what the code gives.
        claimed: The same: what the statement says.
        tolerance: Float, the largest absolute difference of floating-point numbers. Integers and
            strings have to be equal. Defaults to `1e-5`.

    Returns:
        A `Finding` whose effect is the largest difference.
    """
    first, second = np.asarray(measured), np.asarray(claimed)
    if first.shape != second.shape:
        return _exact(what, f"shape {first.shape}, claimed {second.shape}", False)
    if first.dtype.kind not in "biuf" or second.dtype.kind not in "biuf":
        rule = f"{measured!r}, claimed {claimed!r}"
        return _exact(what, rule, bool((first == second).all()))
    difference = float(np.abs(first.astype("float64") - second).max(initial=0))
    if first.size == 1:
        rule = f"{first.item():.6g}, claimed {second.item():.6g}"
    else:
        rule = f"largest difference of {first.size} values, at most {tolerance:g}"
    whole = first.dtype.kind in "biu" and second.dtype.kind in "biu"
    return _exact(what, rule, difference <= (0 if whole else tolerance), difference)


def differs(what, first, second, by=1e-3):
    """A finding: two arrays are not the same.

    Args:
        what: String, what is compared.
        first: Array.
        second: Array of the same shape.
        by: Float, the least largest difference. Defaults to `1e-3`.

    Returns:
        A `Finding` whose effect is the largest difference.
    """
    difference = float(np.abs(np.asarray(first, "float64") - np.asarray(second)).max(initial=0))
    rule = f"differs by {difference:.3g}, claimed at least {by:g}"
    return _exact(what, rule, difference >= by, difference)


def raises(what, error, call):
    """A finding: a call is refused.

    Args:
        what: String, what is called.
        error: Class of the exception, or a tuple of classes.
        call: Function without arguments.

    Returns:
        A `Finding`.
    """
    try:
        call()
    except error as raised:
        return _exact(what, f"raises {type(raised).__name__}", True)
    return _exact(what, "should be refused, but is accepted", False)


def fact(what, holds, effect=None):
    """A finding: something is so or not.

    Args:
        what: String, what is said.
        holds: Boolean.
        effect: Number that shows it. Optional.

    Returns:
        A `Finding`.
    """
    return _exact(what, "is so" if holds else "is not so", bool(holds), effect)


def _exact(what, rule, holds, effect=None):
    return Finding(what, rule, HOLDS if holds else CONTRADICTED, effect)


def superior(what, differences, by=0.0, confidence=0.95):
    """A finding: one arm beats the other by a margin.

    Holds if the 95 % interval of the mean difference lies above zero and the mean reaches the
    margin; contradicted if the interval lies below zero; else not shown.

    Args:
        what: String, what was measured.
        differences: Array, one paired difference for each seed, positive where the claim says so.
        by: Float, the margin, fixed beforehand. Defaults to `0`.
        confidence: Float, that of the interval. Defaults to `0.95`; more where the arms were chosen
            among several after seeing their values.

    Returns:
        A `Finding`.
    """
    return _judged(
        what,
        differences,
        f"interval above 0, mean at least {by:g}",
        holds=lambda mean, low, high: low > 0 and mean >= by,
        against=lambda low, high: high < 0,
        confidence=confidence,
    )


def above(what, values, level, confidence=0.95):
    """A finding: a mean lies above a level.

    Holds if the 95 % interval lies above it, contradicted if it lies below.

    Args:
        what: String, what was measured.
        values: Array, one value for each seed.
        level: Float, fixed beforehand.
        confidence: Float, that of the interval. Defaults to `0.95`; more where the arms were chosen
            among several after seeing their values.

    Returns:
        A `Finding`.
    """
    return _judged(
        what,
        values,
        f"interval above {level:g}",
        holds=lambda mean, low, high: low > level,
        against=lambda low, high: high < level,
        confidence=confidence,
    )


def below(what, values, level, confidence=0.95):
    """A finding: a mean lies below a level.

    Holds if the 95 % interval lies below it, contradicted if it lies above.

    Args:
        what: String, what was measured.
        values: Array, one value for each seed.
        level: Float, fixed beforehand.
        confidence: Float, that of the interval. Defaults to `0.95`; more where the arms were chosen
            among several after seeing their values.

    Returns:
        A `Finding`.
    """
    return _judged(
        what,
        values,
        f"interval below {level:g}",
        holds=lambda mean, low, high: high < level,
        against=lambda low, high: low > level,
        confidence=confidence,
    )


def inside(what, values, low, high):
    """A finding: a mean lies between two bounds, by two one-sided tests.

    Holds if the 90 % interval lies inside the bounds, contradicted if the 95 % interval lies
    outside of them; else not shown. That nothing could be told apart is no proof of equality.

    Reference:

    - [Schuirmann 1987](https://doi.org/10.1007/BF01068419)

    Args:
        what: String, what was measured.
        values: Array, one value for each seed.
        low: Float, fixed beforehand.
        high: Float, fixed beforehand.

    Returns:
        A `Finding`, with its 90 % interval.
    """
    narrow = mean_interval(values, 0.90)
    return _judged(
        what,
        values,
        f"90 % interval inside {low:g} to {high:g}",
        holds=lambda mean, *_: low <= narrow[0] and narrow[1] <= high,
        against=lambda lower, upper: upper < low or lower > high,
        shown=narrow,
    )


def equivalent(what, differences, within):
    """A finding: two arms are equal up to a margin, by two one-sided tests.

    Args:
        what: String, what was measured.
        differences: Array, one paired difference for each seed.
        within: Float, the margin, fixed beforehand.

    Returns:
        A `Finding`, with its 90 % interval.
    """
    return inside(what, differences, -within, within)


def _judged(what, values, rule, *, holds, against, confidence=0.95, shown=None):
    values = np.asarray(values, "float64")
    mean, interval = float(values.mean()), mean_interval(values, confidence)
    if interval is None:
        return Finding(what, f"{rule}; too few seeds to tell", NOT_SHOWN, mean)
    if confidence != 0.95:
        rule = f"{100 * confidence:.3g} % {rule}"
    found = NOT_SHOWN
    if holds(mean, *interval):
        found = HOLDS
    elif against(*interval):
        found = CONTRADICTED
    return Finding(what, rule, found, mean, shown or interval)


def verdict(findings):
    """The verdict of several findings together.

    Args:
        findings: List of `Finding`.

    Returns:
        `"holds"` if all of them do, `"contradicted"` if one is, else `"not shown"`.
    """
    verdicts = [finding.verdict for finding in findings]
    if CONTRADICTED in verdicts:
        return CONTRADICTED
    return HOLDS if set(verdicts) == {HOLDS} else NOT_SHOWN


def together(results):
    """The numbers of several seeds, as arrays by name.

    Args:
        results: List of dictionaries from name to number, one for each seed.

    Returns:
        Dictionary from name to array.
    """
    return {name: np.array([numbers[name] for numbers in results]) for name in results[0]}


def tuned(train, learning_rates=(0.003, 0.01, 0.03)):
    """The result of one arm at the learning rate that is best for it on validation data.

    For arms that differ in optimizer, scale or normalisation: with one rate for all, a comparison
    would measure the rate.

    Args:
        train: Function from a learning rate to a tuple of a validation loss (lower is better) and
            a result.
        learning_rates: Sequence of floats, the same for every arm.

    Returns:
        The result at the rate with the lowest validation loss.

    Example:

    >>> from dlnotes import claims
    >>> claims.tuned(lambda rate: (abs(rate - 0.01), {"accuracy": 10 * rate}))
    {'accuracy': 0.1}
    """
    return min((train(rate) for rate in learning_rates), key=lambda outcome: outcome[0])[1]


def story(file):
    """The recipe beside a file of claims, whose functions the claims may use.

    Args:
        file: The `__file__` of the claims.

    Returns:
        The recipe's module.
    """
    from dlnotes import catalogue

    path = Path(file).resolve()
    return catalogue.read_recipe(path.parent.parent / path.name).load()


def of_module(module):
    """The claims of a module, in the order in which they stand.

    Args:
        module: A loaded file of claims.

    Returns:
        List of `Claim`.
    """
    return [value for value in vars(module).values() if isinstance(value, Claim)]
