"""One line for each trial that has ended, on a terminal."""

import sys
import time


class Lines:
    """Prints what each trial gave, the best so far and the time left.

    Args:
        oracle: The oracle, which knows all trials.
        quiet: Boolean, whether to print nothing. Without a terminal nothing is printed either.
    """

    def __init__(self, oracle, quiet=False):
        self.oracle, self.shown = oracle, not quiet and sys.stderr.isatty()
        self.started, self.before = time.perf_counter(), self._ended()

    def __call__(self, trial_id):
        """A trial has ended."""
        trial, ended = self.oracle.trials[trial_id], self._ended()
        best = self.oracle.get_best_trials()[0]
        name = self.oracle.objective.name
        says = trial.message if trial.score is None else f"{name} {trial.score:.4g}"
        if best.score is not None:
            says += f"  best {best.score:.4g} (trial {int(best.trial_id)})"
        values = ", ".join(f"{k} {short(v)}" for k, v in own_values(trial).items())
        self.say(f"{ended}/{self.oracle.limit}  {says}  {self._left(ended)}  {values}")

    def say(self, text):
        """Prints a line."""
        if self.shown:
            print(text, file=sys.stderr, flush=True)

    def _ended(self):
        return sum(t.status in ("COMPLETED", "FAILED") for t in self.oracle.trials.values())

    def _left(self, ended):
        """The time left, if the trials to come are like those of this session."""
        each = (time.perf_counter() - self.started) / max(1, ended - self.before)
        seconds = each * (self.oracle.limit - ended)
        return f"{seconds / 60:.0f} min left" if seconds >= 60 else f"{seconds:.0f} s left"


def own_values(trial):
    """The hyper-parameters of a trial, without those that Hyperband adds."""
    values = trial.hyperparameters.values
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


def short(value):
    """A value in a few characters."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
