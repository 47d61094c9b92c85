"""Shows a person where a run is: recipe, variant, seed, epoch, a bar and the time left."""

import rich.console
import rich.progress
import rich.table


class Progress:
    """A progress bar of the fit that is under way, on standard error.

    Args:
        recipe: String, name of the recipe.
        unit: String, what is counted. Defaults to `"epoch"`.
        console: A `rich.console.Console`. Defaults to one on standard error.
    """

    def __init__(self, recipe, console=None, unit="epoch"):
        self.recipe = recipe
        self.bar = rich.progress.Progress(
            rich.progress.TextColumn(
                "{task.description}",
                table_column=rich.table.Column(ratio=1, no_wrap=True, overflow="ellipsis"),
            ),
            rich.progress.BarColumn(bar_width=12),
            rich.progress.TextColumn(unit + " {task.completed:.0f}/{task.total:.0f}"),
            rich.progress.TimeRemainingColumn(compact=True),
            console=console or rich.console.Console(stderr=True),
            transient=True,
            expand=True,
        )
        self.task = None

    def __enter__(self):
        self.bar.start()
        return self

    def __exit__(self, *exception):
        self.bar.stop()

    def begin(self, label, epochs):
        """A new fit begins."""
        if self.task is not None:
            self.bar.remove_task(self.task)
        self.task = self.bar.add_task(f"{self.recipe} · {label}", total=epochs)

    def describe(self, label):
        """Says what is under way."""
        self.bar.update(self.task, description=f"{self.recipe} · {label}")

    def advance(self):
        """An epoch, or whatever is counted, has ended."""
        self.bar.advance(self.task)
