"""What a recipe found: rows, traps, figures; printed, saved, rendered."""

import base64
import csv
import html
import io
import json
import math
from pathlib import Path
import re

from dlnotes import session


class Report:
    """Collects the results of one run of a recipe.

    Args:
        recipe: String, the recipe's name, which is that of its file.
        metric: String, the metric by which variants are compared with the baseline, or a dictionary
            from task to metric.
        better: `"lower"` or `"higher"`: which direction of `metric` is the better one, or a
            dictionary from task to direction.

    Example:

    >>> from dlnotes.report import Report
    >>> report = Report("example", metric="rmse", better="lower")
    >>> report.add("persistence", baseline=True, rmse=2.0)
    >>> report.add("lstm", seed=0, rmse=1.5)
    >>> report.summary()[1]["difference"]
    -0.5
    """

    def __init__(self, recipe, *, metric, better):
        for direction in better.values() if isinstance(better, dict) else [better]:
            if direction not in ("lower", "higher"):
                raise ValueError(f"`better` is {direction!r}, expected 'lower' or 'higher'.")
        self.recipe, self.metric, self.better = recipe, metric, better
        self.rows, self.traps, self.history = [], [], []
        self.figures, self.models = {}, {}
        run = session.current()
        if run:
            run.reports.append(self)

    def add(self, variant, *, task=None, seed=None, baseline=False, **metrics):
        """Adds one measured row.

        Args:
            variant: String, what was measured.
            task: String, the task, where a recipe has several.
            seed: Integer, where the row depends on one.
            baseline: Boolean, whether this variant is what the others are compared with.
            **metrics: The numbers, by name.
        """
        numbers = {name: float(value) for name, value in metrics.items()}
        label = {"task": task, "variant": variant, "seed": seed, "baseline": baseline}
        self.rows.append(label | {"metrics": numbers})

    def watch(self, variant, *, task=None, seed=None):
        """Returns the Keras callback by which this report follows a fit."""
        from dlnotes.watch import Watch

        return Watch(self, variant, task, seed)

    def trap(self, title, *, plain, ours):
        """Adds a trap that was shown: what plain Keras gave, and what the library gives."""
        self.traps.append({"trap": title, "plain": str(plain), "ours": str(ours)})

    def figure(self, name, figure, alt):
        """Adds a matplotlib figure with its text alternative."""
        self.figures[name] = (figure, " ".join(alt.split()))

    def summary(self):
        """Means over seeds: one dictionary for each task and variant, baselines first.

        Returns:
            List of dictionaries with `task`, `variant`, `baseline`, `n`, `metric`, `better`,
            `metrics` (each with `mean` and `sd`, the latter `None` for a single row) and
            `difference`, the mean of `metric` minus that of the task's baseline (`None` where
            either lacks it).
        """
        groups = {}
        for row in self.rows:
            groups.setdefault((row["task"], row["variant"]), []).append(row)
        lines = []
        for (task, variant), rows in groups.items():
            names = dict.fromkeys(name for row in rows for name in row["metrics"])
            metrics = {
                name: _mean_and_sd([r["metrics"][name] for r in rows if name in r["metrics"]])
                for name in names
            }
            baseline = rows[0]["baseline"]
            lines.append(
                {"task": task, "variant": variant, "baseline": baseline, "n": len(rows)}
                | {"metric": _of_task(self.metric, task), "better": _of_task(self.better, task)}
                | {"metrics": metrics, "difference": None}
            )
        tasks = list(dict.fromkeys(line["task"] for line in lines))
        lines.sort(key=lambda line: (tasks.index(line["task"]), not line["baseline"]))
        for line in lines:
            base = next((b for b in lines if b["baseline"] and b["task"] == line["task"]), None)
            pair = [entry["metrics"].get(line["metric"]) for entry in (line, base) if entry]
            if len(pair) == 2 and all(pair) and line is not base:
                line["difference"] = pair[0]["mean"] - pair[1]["mean"]
        return lines

    def __str__(self):
        return "\n\n".join(
            f"{task}\n" * bool(task) + as_text(header, rows)
            for task, header, rows in tables(self.summary())
        )

    def _repr_markdown_(self):
        parts = []
        for task, header, rows in tables(self.summary()):
            parts += [f"**{task}**"] * bool(task) + [as_markdown(header, rows)]
        return "\n\n".join(parts + ["**Traps shown**", self._traps()] * bool(self.traps))

    def _traps(self):
        rows = [[trap["trap"], trap["plain"], trap["ours"]] for trap in self.traps]
        return as_markdown(["trap", "plain Keras", "dlnotes"], rows)

    def display(self):
        """Shows tables, traps and figures in a notebook, each figure with its text alternative."""
        from IPython.display import HTML, display

        display(self)
        for figure, alt in self.figures.values():
            picture = io.BytesIO()
            figure.savefig(picture, format="png", dpi=100)
            data = base64.b64encode(picture.getvalue()).decode()
            source = f"data:image/png;base64,{data}"
            display(HTML(f'<figure><img src="{source}" alt="{html.escape(alt)}"></figure>'))

    def to_markdown(self, about=None):
        """The report as Markdown.

        Args:
            about: Dictionary of the run's facts, as `save` writes it. Optional.
        """
        parts = [f"# {self.recipe}"]
        for task, header, rows in tables(self.summary()):
            parts += [f"## {task}"] * bool(task) + [as_markdown(header, rows)]
        if self.traps:
            parts += ["## Traps shown", self._traps()]
        for name, (_, alt) in self.figures.items():
            parts += [f"## {name.replace('_', ' ').capitalize()}", f"![{alt}](figures/{name}.png)"]
        if about:
            rows = [[key, json.dumps(value)] for key, value in about["arguments"].items()]
            parts += ["## Arguments", as_markdown(["argument", "value"], rows)]
            rows = [[key, value] for key, value in about["versions"].items()]
            parts += ["## Versions", as_markdown(["package", "version"], rows)]
        return "\n\n".join(parts) + "\n"

    def to_dict(self):
        """The report as plain values that JSON can hold."""
        return {
            "recipe": self.recipe,
            "metric": self.metric,
            "better": self.better,
            "rows": self.rows,
            "summary": self.summary(),
            "traps": self.traps,
            "figures": {name: alt for name, (_, alt) in self.figures.items()},
        }

    def save(self, folder, about=None):
        """Writes report, figures, history and models into a folder, completely or not at all.

        Args:
            folder: Path of a folder that does not exist yet.
            about: Dictionary of the run's facts, written into the report. Optional.

        Returns:
            List of the paths written.
        """
        folder = Path(folder)
        part = folder.with_name(f".{folder.name}.part")
        for name in ("figures", "models"):
            (part / name).mkdir(parents=True, exist_ok=True)
        about = about or {}
        values = json.dumps(finite(about | self.to_dict()), indent=2, allow_nan=False)
        (part / "report.json").write_text(values + "\n")
        (part / "report.md").write_text(self.to_markdown(about or None))
        (part / "history.csv").write_text(self._history_csv(), newline="")
        for name, (figure, _) in self.figures.items():
            figure.savefig(part / "figures" / f"{name}.png", dpi=150)
        for label, model in self.models.items():
            model.save(part / "models" / f"{_file_name(label)}.keras")
        part.replace(folder)
        return sorted(path for path in folder.rglob("*") if path.is_file())

    def _history_csv(self):
        names = dict.fromkeys(name for row in self.history for name in row)
        text = io.StringIO()
        writer = csv.DictWriter(text, names, restval="")
        writer.writeheader()
        writer.writerows(self.history)
        return text.getvalue()


def _of_task(value, task):
    return value[task] if isinstance(value, dict) else value


def _file_name(label):
    text = "-".join(part for part in label if part)
    return re.sub(r"[^\w.+-]+", "_", text).strip("_")


def _mean_and_sd(values):
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return {"mean": mean, "sd": None}
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return {"mean": mean, "sd": math.sqrt(variance)}


def finite(value):
    """The value with every number that JSON cannot hold replaced by `None`."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(value):
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


def tables(summary):
    """A summary as tables of strings, one for each task.

    Args:
        summary: What `Report.summary` returns.

    Returns:
        List of tuples of the task (or `None`), the header and the rows.
    """
    return [
        (task, *_table([line for line in summary if line["task"] == task]))
        for task in dict.fromkeys(line["task"] for line in summary)
    ]


def _table(lines):
    metric, better = lines[0]["metric"], lines[0]["better"]
    names = list(dict.fromkeys(name for line in lines for name in line["metrics"]))
    names.sort(key=lambda name: name != metric)
    header = ["variant", "n", *names, f"{metric} minus baseline ({better} is better)"]
    rows = []
    for line in lines:
        row = [line["variant"] + (" (baseline)" if line["baseline"] else ""), str(line["n"])]
        for name in names:
            value = line["metrics"].get(name)
            spread = f" ± {_number(value['sd'])}" if value and value["sd"] is not None else ""
            row.append(_number(value["mean"]) + spread if value else "")
        difference = line["difference"]
        row.append("" if difference is None else f"{'+' * (difference >= 0)}{_number(difference)}")
        rows.append(row)
    return header, rows


def as_text(header, rows):
    """A table for a terminal of any width."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(header, widths, strict=True)).rstrip()]
    lines.append("  ".join("-" * width for width in widths))
    for row in rows:
        lines.append("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())
    return "\n".join(lines)


def as_markdown(header, rows):
    """A table in Markdown."""
    escape = [[str(cell).replace("|", "\\|") for cell in row] for row in [header, *rows]]
    lines = ["| " + " | ".join(row) + " |" for row in escape]
    return "\n".join([lines[0], "|" + " --- |" * len(header), *lines[1:]])
