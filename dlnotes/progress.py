"""Shows a person where a run is: recipe, variant, seed, epoch, a bar and the time left."""

import rich.console
import rich.progress


class Progress:
    """A progress bar of the fit that is under way, on standard error.

    Args:
        recipe: String, name of the recipe.
        console: A `rich.console.Console`. Defaults to one on standard error.
    """

    def __init__(self, recipe, console=None):
        self.recipe = recipe
        self.bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(),
            rich.progress.TextColumn("epoch {task.completed:.0f}/{task.total:.0f}"),
            rich.progress.TextColumn("{task.fields[loss]}"),
            rich.progress.TimeRemainingColumn(),
            console=console or rich.console.Console(stderr=True),
            transient=True,
        )
        self.task = None
        self.fits = 0

    def __enter__(self):
        self.bar.start()
        return self

    def __exit__(self, *exception):
        self.bar.stop()

    def begin(self, label, epochs):
        """A new fit begins."""
        self.fits += 1
        if self.task is not None:
            self.bar.remove_task(self.task)
        description = f"{self.recipe} · fit {self.fits} · {label}"
        self.task = self.bar.add_task(description, total=epochs, loss="")

    def advance(self, loss):
        """An epoch has ended."""
        self.bar.update(self.task, advance=1, loss=f"loss {loss:.4g}")
