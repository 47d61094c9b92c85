"""The callback by which a report follows a fit."""

from dlnotes import session
from dlnotes._keras import keras


class Watch(keras.callbacks.Callback):
    """Follows one fit for a report: progress, history, TensorBoard logs, the trained model.

    It also spares TensorFlow a second trace of the graph by building the optimizer beforehand.

    Made by `Report.watch`.

    Args:
        report: The `Report`.
        variant: String, the variant that is trained.
        task: String or `None`, the task within the recipe.
        seed: Integer or `None`.
    """

    def __init__(self, report, variant, task=None, seed=None):
        super().__init__()
        self.report = report
        self.label = {"task": task, "variant": variant, "seed": seed}
        self._writer = None

    def on_train_begin(self, logs=None):
        self._build_optimizer()
        self.report.models[self.label["task"], self.label["variant"]] = self.model
        seen = [row for row in self.report.history if self._is_mine(row)]
        self._epoch, self._rows = len(seen), []
        run = session.current()
        self._progress = run.progress if run else None
        if self._progress:
            parts = [self.label["task"], self.label["variant"]]
            if self.label["seed"] is not None:
                parts.append(f"seed {self.label['seed']}")
            self._progress.begin(" · ".join(p for p in parts if p), self.params["epochs"])
        if run and run.tensorboard:
            import tensorflow as tf

            folder = "-".join(str(value) for value in self.label.values() if value is not None)
            self._writer = tf.summary.create_file_writer(str(run.tensorboard / folder))

    def _build_optimizer(self):
        """Makes the variables of the optimizer, for which the graph would else be traced twice."""
        optimizer = self.model.optimizer
        if self.model.built and optimizer is not None and not optimizer.built:
            optimizer.build(self.model.trainable_variables)

    def _is_mine(self, row):
        return all(row[key] == value for key, value in self.label.items())

    def on_epoch_end(self, epoch, logs=None):
        self._epoch += 1
        numbers = {name: float(value) for name, value in (logs or {}).items()}
        optimizer = self.model.optimizer
        if optimizer is not None:
            numbers.setdefault("learning_rate", float(optimizer.learning_rate))
        self._add(self.label | {"epoch": self._epoch} | numbers)

    def _add(self, row):
        self._rows.append(row)
        self.report.history.append(row)
        if self._progress:
            self._progress.advance()
        if self._writer:
            import tensorflow as tf

            with self._writer.as_default():
                for name, value in row.items():
                    if name not in (*self.label, "epoch"):
                        tf.summary.scalar(name, value, step=row["epoch"])
            self._writer.flush()

    def get_state(self):
        """The rows of this fit so far, for a checkpoint."""
        return self._rows

    def set_state(self, state):
        """Adds the rows of the epochs that were run before an interruption."""
        for row in state:
            self._epoch = row["epoch"]
            self._add(row)

    def on_train_end(self, logs=None):
        if self._writer:
            self._writer.close()
            self._writer = None
