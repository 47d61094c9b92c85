"""Pictures in one style: small, colour-blind safe, and told apart by line style and marker too.

Every function returns a `matplotlib.figure.Figure`. Nothing goes through pyplot, so nothing changes
for other plots, no window opens and no figure stays in memory. `alternative_text(figure)` returns
the sentence that says what a figure shows to a person who cannot see it.

Example:

>>> from dlnotes import figures
>>> figure = figures.learning_curves({"loss": [3.0, 2.0, 1.5], "val_loss": [3.0, 2.5, 2.7]})
>>> figures.alternative_text(figure)
'Learning curves: loss over 3 epochs. Best at 2.5 in epoch 2.'
"""

from collections.abc import Mapping

from dlnotes.errors import InputError
import numpy as np

# Okabe and Ito's palette without its yellow, which is too pale for a line on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINE_STYLES = ("-", "--", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (3, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#767676"

_LOWER_IS_BETTER = ("loss", "error", "mse", "mae", "mape", "rmse", "crossentropy", "brier")
_HIGHER_IS_BETTER = ("accuracy", "auc", "f1", "precision", "recall", "r2", "iou")


def axes(rows=1, columns=1, size=None, **options):
    """Makes an empty figure in the style of this module.

    Lines drawn with `axis.plot` differ in colour and in line style.

    Args:
        rows: Integer, rows of panels. Defaults to `1`.
        columns: Integer, columns of panels. Defaults to `1`.
        size: Pair of floats, width and height of the figure in inches. By default it grows with the
            panels.
        **options: Passed on to `matplotlib.figure.Figure.subplots`, such as `sharey=True`.

    Returns:
        The figure, and its `matplotlib.axes.Axes`: one for a single panel, an array of them
        otherwise.

    Example:

    >>> from dlnotes import figures
    >>> figure, (left, right) = figures.axes(columns=2, sharey=True)
    >>> lines = left.plot([1, 2, 3], label="ours")
    """
    from cycler import cycler
    from matplotlib.figure import Figure

    size = size or (1.2 + 3.4 * columns, 3.2 * rows)
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    panels = figure.subplots(rows, columns, **options)
    for axis in figure.axes:
        axis.set_prop_cycle(cycler(color=COLOURS) + cycler(linestyle=LINE_STYLES))
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(color="#E3E3E3", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.tick_params(labelsize=9)
        axis.title.set_fontsize(11)
    return figure, panels


def alternative_text(figure):
    """Says in words what a figure shows.

    The functions of this module write the text themselves. For any other figure it is put together
    from the titles, the axis labels and the legend.

    Args:
        figure: A `matplotlib.figure.Figure`.

    Returns:
        String.

    Example:

    >>> from dlnotes import figures
    >>> figure, axis = figures.axes()
    >>> labels = axis.set(xlabel="month", ylabel="sales", title="Forecast")
    >>> lines = axis.plot([1, 2], label="persistence")
    >>> figures.alternative_text(figure)
    'Forecast: sales over month (persistence).'
    """
    if figure.get_label():
        return figure.get_label()
    panels = []
    for axis in figure.axes:
        words = " over ".join(filter(None, (axis.get_ylabel(), axis.get_xlabel())))
        text = ": ".join(filter(None, (axis.get_title(), words)))
        drawn = ", ".join(axis.get_legend_handles_labels()[1])
        panels.append(" ".join(filter(None, (text, f"({drawn})" if drawn else ""))))
    return "; ".join(filter(None, panels)) + "."


def join_histories(*histories):
    """Joins the histories of several calls of `fit` into one.

    A metric that one of the calls did not record is NaN for its epochs.

    Args:
        *histories: What `fit` returned, or the dictionaries in it, in order of time.

    Returns:
        Dictionary of metric name to list of floats.

    Example:

    >>> from dlnotes import figures
    >>> figures.join_histories({"loss": [3.0, 2.0]}, {"loss": [1.0]})
    {'loss': [3.0, 2.0, 1.0]}
    """
    fits = [_record(history) for history in histories]
    names = list(dict.fromkeys(name for fit in fits for name in fit))
    joined = {name: [] for name in names}
    for fit in fits:
        epochs = max((len(values) for values in fit.values()), default=0)
        for name in names:
            joined[name].extend(fit.get(name, [float("nan")] * epochs))
    return joined


def report_histories(report, task=None):
    """Collects the histories that a report's `watch` callbacks recorded.

    Args:
        report: A `dlnotes.report.Report`.
        task: String, the task whose variants are wanted. Defaults to all rows without a task.

    Returns:
        Dictionary of variant name to list of histories, one for each seed, for `learning_curves`.
        Several fits of one variant and seed are joined.
    """
    found = {}
    for row in report.history:
        if row["task"] == task:
            run = found.setdefault(row["variant"], {}).setdefault(row["seed"], {})
            for name in row.keys() - {"task", "variant", "seed", "epoch"}:
                run.setdefault(name, []).append(row[name])
    return {variant: list(runs.values()) for variant, runs in found.items()}


def learning_curves(
    histories,
    metric="loss",
    *,
    better=None,
    training=True,
    logarithmic=False,
    title=None,
    size=None,
):
    """Draws a metric over the epochs, for several variants and seeds.

    The strong line is the mean over the seeds, as far as all of them reach; the thin lines are the
    single runs. With validation values in the histories these are the lines, and the mean of the
    training values is dotted. A star marks the best epoch of the mean line. A learning rate that
    changes gets an axis of its own on the right.

    Args:
        histories: What `fit` returned (or the dictionary in it, or a DataFrame with a column for
            each metric); a list of these, one for each seed; or a dictionary of variant name to
            such a history or list. Join the histories of several `fit` calls with `join_histories`.
        metric: Name of the metric, without `val_`. Defaults to `"loss"`.
        better: `"lower"` or `"higher"`, which values of the metric are better. By default known
            from the name; for an unknown name no best epoch is marked.
        training: Boolean, whether the training values are drawn beside validation values. Defaults
            to `True`.
        logarithmic: Boolean, whether the metric's axis is logarithmic. Defaults to `False`.
        title: String. Defaults to none.
        size: Pair of floats, the figure's size in inches.

    Returns:
        The figure.

    Raises:
        InputError: If a history lacks the metric, or `better` is another word.
    """
    variants = {name: _runs(name, runs) for name, runs in _variants(histories).items()}
    better = better or _better(metric)
    if better not in ("lower", "higher", None):
        raise InputError(f"`better` is {better!r}, but must be 'lower' or 'higher'.")
    validated = all(f"val_{metric}" in run for runs in variants.values() for run in runs)
    main = f"val_{metric}" if validated else metric
    _check_metric(variants, main)
    figure, axis = axes(size=size)
    best_epochs = []
    for name, colour, marker in _styles(variants):
        runs = variants[name]
        if len(runs) > 1:
            for run in runs:
                _curve(axis, run[main], "-", color=colour, linewidth=0.7, alpha=0.45)
        mean = _mean([run[main] for run in runs])
        _curve(
            axis,
            mean,
            "-",
            color=colour,
            marker=marker,
            markersize=4,
            markevery=max(1, len(mean) // 8),
            linewidth=1.8,
            label=name or ("validation" if validated else "training"),
        )
        if validated and training and all(metric in run for run in runs):
            values = _mean([run[metric] for run in runs])
            _curve(axis, values, ":", color=colour, linewidth=1.4, label="_training")
        if better and np.isfinite(mean).any():
            best = np.nanargmin(mean) if better == "lower" else np.nanargmax(mean)
            axis.plot(
                best + 1,
                mean[best],
                "*",
                color=colour,
                markersize=12,
                markeredgecolor="white",
                zorder=5,
                label="_best",
            )
            best_epochs.append(f"{name or 'Best'} at {mean[best]:.4g} in epoch {best + 1}")
    _legend_of_kinds(axis)
    if logarithmic:
        axis.set_yscale("log")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.set(xlabel="epoch", ylabel=metric.replace("_", " "), title=title or "")
    axis.legend(frameon=False, fontsize=9)
    _draw_learning_rates(axis, variants)
    epochs = max(len(run[main]) for runs in variants.values() for run in runs)
    figure.set_label(
        _sentences(
            f"{title or 'Learning curves'}: {metric.replace('_', ' ')} over {epochs} epochs",
            ("Best epochs: " if len(best_epochs) > 1 else "") + "; ".join(best_epochs),
        )
    )
    return figure


def learning_rate_range(records, suggestion=None, *, title=None, size=None):
    """Draws the loss over the learning rate, as a learning rate range test recorded it.

    Args:
        records: List of pairs (learning rate, loss), such as `LearningRateRangeTest.records`.
        suggestion: Float, the learning rate to mark. Defaults to none.
        title: String. Defaults to none.
        size: Pair of floats, the figure's size in inches.

    Returns:
        The figure.

    Raises:
        InputError: If there are no records.
    """
    if not len(records):
        raise InputError("`records` is empty: run `fit` with the callback first.")
    rates, losses = np.asarray(records, float).T
    figure, axis = axes(size=size)
    axis.plot(rates, losses, "-", color=COLOURS[0], label="loss")
    finite = losses[np.isfinite(losses)]
    if finite.size:
        start, lowest = finite[0], finite.min()
        room = max(start - lowest, 0.05 * abs(start), 1e-12)
        axis.set_ylim(lowest - 0.2 * room, start + room)
    text = f"from {rates[0]:.2g} to {rates[-1]:.2g}"
    if suggestion is not None:
        axis.axvline(
            suggestion, color=COLOURS[1], linestyle="--", label=f"suggested: {suggestion:.2g}"
        )
        text += f", suggested {suggestion:.2g}"
    axis.set(xscale="log", xlabel="learning rate", ylabel="loss", title=title or "")
    axis.legend(frameon=False, fontsize=9)
    figure.set_label(_sentences(f"{title or 'Learning rate range test'}: loss over rates {text}"))
    return figure


def reliability_diagram(probabilities, labels, *, bins=10, title=None, size=None):
    """Draws how often predictions come true over how sure they are, with the counts beneath.

    On the diagonal a model is calibrated; beneath it, too sure of itself. The legend gives the
    expected calibration error: the mean distance to the diagonal, weighted by the counts.

    Reference: Guo et al. 2017, https://arxiv.org/abs/1706.04599, equations 2 and 3.

    Args:
        probabilities: Array of shape `(rows, classes)`: the highest probability of a row is its
            confidence, and it comes true when that class is the label. Or of shape `(rows,)`, the
            probabilities of class 1, which come true when the label is 1. Or a dictionary of
            variant name to such an array.
        labels: Integer array of shape `(rows,)`.
        bins: Integer, number of equally wide bins, closed on the right. Defaults to `10`.
        title: String. Defaults to none.
        size: Pair of floats, the figure's size in inches.

    Returns:
        The figure.

    Raises:
        InputError: If shapes do not fit or values are no probabilities.
    """
    variants = probabilities if isinstance(probabilities, Mapping) else {"": probabilities}
    figure, (upper, lower) = axes(
        2, size=size or (4.6, 4.4), sharex=True, gridspec_kw={"height_ratios": [3, 1]}
    )
    upper.plot([0, 1], [0, 1], ":", color=GREY, linewidth=1.2, label="calibrated")
    sentences = []
    for number, (name, values) in enumerate(variants.items()):
        counts, confidence, frequency = _calibration_bins(*_confidences(values, labels), bins)
        error = np.sum(counts * np.abs(frequency - confidence)) / counts.sum()
        filled = counts > 0
        style = {
            "color": COLOURS[number % len(COLOURS)],
            "linestyle": LINE_STYLES[number % len(LINE_STYLES)],
        }
        upper.plot(
            confidence[filled],
            frequency[filled],
            marker=MARKERS[number % len(MARKERS)],
            markersize=5,
            label=f"{name or 'model'} (ECE {error:.3f})",
            **style,
        )
        lower.stairs(counts, np.linspace(0, 1, bins + 1), **style)
        sentences.append(f"{name or 'expected calibration error'} {error:.3f}")
    upper.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share that came true", title=title or "")
    upper.legend(frameon=False, fontsize=9)
    lower.set(xlabel="predicted probability", ylabel="rows")
    lower.set_ylim(bottom=0)
    lead = "expected calibration errors: " if len(variants) > 1 else ""
    figure.set_label(_sentences(f"{title or 'Reliability'}: {lead}{', '.join(sentences)}"))
    return figure


def embedding_map(table, labels=None, colours=None, *, title=None, size=None):
    """Draws vectors as points in the plane of their two largest principal components.

    Every row gets its point; labels that would cover another label or point are left out.

    Args:
        table: Array or DataFrame of shape `(rows, dimensions)`, with at least two rows. A
            DataFrame's index serves as labels.
        labels: Sequence of strings, one for each row. Defaults to none.
        colours: One value for each row: strings are groups with a colour, a marker and a place in
            the legend; numbers are drawn on a scale. Defaults to none.
        title: String. Defaults to none.
        size: Pair of floats, the figure's size in inches.

    Returns:
        The figure.

    Raises:
        InputError: If the lengths do not fit or a value is not finite.
    """
    if labels is None and hasattr(table, "iloc"):
        labels = [str(label) for label in table.index]
    values = np.asarray(table, dtype=float)
    if values.ndim != 2 or len(values) < 2:
        raise InputError(
            f"`table` has shape {values.shape}, but must have two axes, (rows, dimensions), and at "
            "least two rows."
        )
    if not np.isfinite(values).all():
        raise InputError("`table` holds NaN or infinite values: leave these rows out.")
    for name, given in (("labels", labels), ("colours", colours)):
        if given is not None and len(given) != len(values):
            raise InputError(f"`{name}` has {len(given)} entries for {len(values)} rows.")
    points, shares = _principal_components(values)
    figure, axis = axes(size=size or (5.4, 4.4))
    _scatter(figure, axis, points, colours)
    axis.set(
        xlabel=f"first component ({shares[0]:.0%} of the variance)",
        ylabel=f"second component ({shares[1]:.0%})",
        title=title or "",
    )
    if labels is not None:
        axis.margins(0.12)
        _label_points(figure, axis, points, labels)
    figure.set_label(
        _sentences(
            f"{title or 'Embedding map'}: {len(values)} vectors of {values.shape[1]} numbers in "
            f"two dimensions that hold {shares.sum():.0%} of their variance"
        )
    )
    return figure


def prediction_band(
    x, mean, std=None, *, samples=None, truth=None, data=None, title=None, size=None
):
    """Draws a predicted curve with the band of its uncertainty.

    With `std` the bands are one and two standard deviations wide on each side; with `samples` they
    hold the central 68 % and 95 % of the samples.

    Args:
        x: Array of shape `(points,)`, in any order.
        mean: Array of shape `(points,)` or `(points, 1)`, or a dictionary of variant name to such
            an array: one panel for each.
        std: Array like `mean`, or a dictionary with the same names (a variant without an entry has
            no band). Defaults to none.
        samples: Array of shape `(samples, points)` or `(samples, points, 1)`, or a dictionary, in
            place of `std`. Defaults to none.
        truth: Array of shape `(points,)`, the true curve. Defaults to none.
        data: Pair of arrays, x and y of the training points. Defaults to none.
        title: String. Defaults to none.
        size: Pair of floats, the figure's size in inches.

    Returns:
        The figure.

    Raises:
        InputError: If lengths do not fit, or `std` and `samples` are both given.
    """
    if std is not None and samples is not None:
        raise InputError("Give `std` or `samples`, not both.")
    x = np.ravel(x)
    order = np.argsort(x, kind="stable")
    means, stds, draws = (
        value if isinstance(value, Mapping) else {"": value} for value in (mean, std, samples)
    )
    figure, panels = axes(1, len(means), size=size, sharex=True, sharey=True, squeeze=False)
    widths = []
    for axis, (name, values) in zip(panels.flat, means.items(), strict=True):
        values = _points("mean", values, x)
        bands = list(_bands(values, stds.get(name), draws.get(name), x))
        for label, opacity, low, high in bands:
            style = {"color": COLOURS[0], "alpha": opacity, "linewidth": 0, "label": label}
            axis.fill_between(x[order], low[order], high[order], **style)
        if bands:
            _, _, low, high = bands[0]
            widths.append(f"{name} {np.mean(high - low):.3g}".strip())
        if truth is not None:
            curve = _points("truth", truth, x)
            axis.plot(x[order], curve[order], "--", color="black", linewidth=1.2, label="truth")
        axis.plot(x[order], values[order], "-", color=COLOURS[0], linewidth=1.8, label="prediction")
        if data is not None:
            x_data, y_data = (np.ravel(values) for values in data)
            axis.plot(x_data, y_data, "o", color=COLOURS[1], markersize=3, label="data")
        axis.set(xlabel="x", title=name or title or "")
    panels[0, 0].set_ylabel("y")
    panels[0, 0].legend(frameon=False, fontsize=8)
    if title and "" not in means:
        figure.suptitle(title, fontsize=11)
    text = f"{title or 'Prediction'} over x from {x.min():.3g} to {x.max():.3g}"
    figure.set_label(
        _sentences(text, f"Mean width of the band: {', '.join(widths)}" if widths else "")
    )
    return figure


def mask_report(report, *, title=None, size=None):
    """Draws which steps each layer's outgoing mask keeps: layers downwards, steps across.

    The darker a step, the more examples it is real for; a row without colour carries no mask. What
    happens to the mask stands at the right.

    Args:
        report: What `dlnotes.masks.mask_report(model, x)` returned.
        title: String. Defaults to none.
        size: Pair of floats, the figure's size in inches.

    Returns:
        The figure.
    """
    rows = report.rows
    shares = {name: _share_of_real_examples(mask) for name, mask in report.masks.items()}
    steps = max((len(share) for share in shares.values()), default=1)
    grid = np.full((len(rows), steps), np.nan)
    for number, row in enumerate(rows):
        if row["outgoing"] is not None:
            share = shares[row["layer"]]
            grid[number, : len(share)] = share
    figure, axis = axes(size=size or (5.6, 1.2 + 0.28 * len(rows)))
    axis.imshow(grid, cmap="Blues", vmin=-0.1, vmax=1.2, aspect="auto", interpolation="nearest")
    axis.grid(False)
    axis.set_xticks(np.arange(-0.5, steps), minor=True)
    axis.set_yticks(np.arange(-0.5, len(rows)), minor=True)
    axis.grid(which="minor", color="#E3E3E3", linewidth=0.6)
    axis.tick_params(which="minor", length=0)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.set_yticks(range(len(rows)), [row["layer"] for row in rows])
    events = axis.secondary_yaxis("right")
    events.set_yticks(range(len(rows)), [row["event"] or "–" for row in rows])
    events.tick_params(labelsize=9, length=0)
    for row, label in zip(rows, events.get_yticklabels(), strict=True):
        if row["event"] == "destroyed":
            label.set(color=COLOURS[1], fontweight="bold")
    axis.set(xlabel="step", title=title or "")
    dead = ", ".join(report.destroyed)
    figure.set_label(
        _sentences(
            f"{title or 'Masks'}: {len(rows)} layers, {steps} steps",
            f"The mask is destroyed by {dead}" if dead else "No layer destroys a mask",
            f"{'A' if report.reaches_output else 'No'} mask reaches the output",
        )
    )
    return figure


def _share_of_real_examples(mask):
    """Share of the examples for which each step is real, from a mask of shape (batch, time, ...)"""
    return np.reshape(np.mean(mask, axis=0, dtype=float), (mask.shape[1], -1)).mean(axis=1)


def _record(history):
    return dict(getattr(history, "history", history))


def _variants(histories):
    if isinstance(histories, Mapping) and not _is_record(histories):
        return histories
    return {"": histories}


def _is_record(mapping):
    """A record maps names to sequences of numbers; a dictionary of variants to histories."""
    return all(
        np.ndim(value) == 1 and len(value) and np.isscalar(value[0]) for value in mapping.values()
    )


def _runs(name, runs):
    runs = runs if isinstance(runs, (list, tuple)) else [runs]
    if not runs:
        raise InputError(f"`histories` holds no run{f' of {name!r}' if name else ''}.")
    return [
        {key: np.asarray(values, float) for key, values in _record(run).items()} for run in runs
    ]


def _check_metric(variants, metric):
    """Refuses a run without the metric."""
    for name, runs in variants.items():
        for run in runs:
            if metric not in run:
                raise InputError(
                    f"`metric`: {metric!r} is not in a history{f' of {name!r}' if name else ''}, "
                    f"which holds {', '.join(map(str, run)) or 'nothing'}."
                )


def _better(metric):
    words = metric.lower().replace("val_", "").split("_")
    if any(known in words or metric.endswith(known) for known in _LOWER_IS_BETTER):
        return "lower"
    if any(known in words or metric.endswith(known) for known in _HIGHER_IS_BETTER):
        return "higher"
    return None


def _mean(curves):
    """The mean curve, as far as all of them reach."""
    shortest = min(len(curve) for curve in curves)
    return np.mean([curve[:shortest] for curve in curves], axis=0)


def _curve(axis, values, style, **options):
    """Draws values over the epochs, which count from 1."""
    axis.plot(np.arange(1, len(values) + 1), values, style, **options)


def _legend_of_kinds(axis):
    """Explains the dotted line and the star once."""
    labels = {line.get_label() for line in axis.lines}
    if "_training" in labels:
        axis.plot([], [], ":", color=GREY, linewidth=1.4, label="training")
    if "_best" in labels:
        axis.plot([], [], "*", color=GREY, markersize=9, label="best epoch")


def _draw_learning_rates(axis, variants):
    """Each variant's learning rate, of its first run, on an axis on the right."""
    rates = {name: runs[0].get("learning_rate") for name, runs in variants.items()}
    recorded = [tuple(rate) for rate in rates.values() if rate is not None]
    if all(len(set(rate)) == 1 for rate in recorded):
        return
    right = axis.twinx()
    for (_, colour, _), rate in zip(_styles(variants), rates.values(), strict=True):
        if rate is not None:
            shown = colour if len(set(recorded)) > 1 else GREY
            epochs = np.arange(1, len(rate) + 1)
            right.plot(epochs, rate, color=shown, linewidth=1.0, linestyle=(0, (1, 3)))
    right.set_yscale("log")
    right.spines["top"].set_visible(False)
    right.tick_params(labelsize=9, colors=GREY)
    right.set_ylabel("learning rate (dots)", color=GREY, fontsize=9)


def _styles(names):
    """Pairs each name with a colour and a marker."""
    for number, name in enumerate(names):
        yield name, COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]


def _confidences(probabilities, labels):
    """How sure each prediction is, and whether it came true."""
    probabilities, labels = np.asarray(probabilities, float), np.ravel(labels)
    if probabilities.ndim not in (1, 2) or len(probabilities) != len(labels):
        raise InputError(
            f"`probabilities` has shape {probabilities.shape} for {len(labels)} labels, but must "
            "be (rows, classes) or (rows,)."
        )
    if not ((probabilities >= 0) & (probabilities <= 1 + 1e-6)).all():
        raise InputError(
            "`probabilities` must lie between 0 and 1: pass logits through softmax or sigmoid."
        )
    if probabilities.ndim == 1:
        return probabilities, labels == 1
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == labels


def _calibration_bins(confidence, hit, bins):
    """For each bin: its rows, their mean confidence and the share that came true."""
    number = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence, side="left")
    counts = np.bincount(number, minlength=bins)
    rows = np.maximum(counts, 1)
    return (
        counts,
        np.bincount(number, weights=confidence, minlength=bins) / rows,
        np.bincount(number, weights=hit, minlength=bins) / rows,
    )


def _principal_components(values):
    """Coordinates on the two largest principal components, and their shares of the variance."""
    left, sizes, directions = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    points = np.zeros((len(values), 2))
    shares = np.zeros(2)
    for number in range(min(2, len(sizes))):
        sign = np.sign(directions[number][np.argmax(np.abs(directions[number]))])
        points[:, number] = sign * left[:, number] * sizes[number]
        shares[number] = sizes[number] ** 2 / max(np.sum(sizes**2), 1e-30)
    return points, shares


def _scatter(figure, axis, points, colours):
    if colours is None:
        axis.scatter(*points.T, s=14, color=COLOURS[0])
    elif np.issubdtype(np.asarray(colours).dtype, np.number):
        drawn = axis.scatter(*points.T, s=18, c=np.asarray(colours, float), cmap="cividis")
        figure.colorbar(drawn, ax=axis)
    else:
        colours = np.asarray([str(colour) for colour in colours])
        for name, colour, marker in _styles(dict.fromkeys(colours)):
            members = points[colours == name]
            axis.scatter(*members.T, s=18, color=colour, marker=marker, label=name)
        figure.legend(loc="outside right upper", frameon=False, fontsize=9)


def _label_points(figure, axis, points, labels):
    """Writes each label beside its point, where nothing else is; else leaves it out."""
    figure.draw_without_rendering()
    dots = axis.transData.transform(points)
    frame, taken = axis.bbox, []
    for point, label in zip(points, labels, strict=True):
        for right, up in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            text = axis.annotate(
                label,
                point,
                xytext=(5 * right, 5 * up),
                textcoords="offset points",
                ha={1: "left", 0: "center", -1: "right"}[right],
                va={1: "bottom", 0: "center", -1: "top"}[up],
                fontsize=8,
            )
            box = text.get_window_extent().padded(2)
            inside = frame.contains(*box.min) and frame.contains(*box.max)
            covers = ((dots > box.min) & (dots < box.max)).all(axis=1).any()
            if inside and not covers and not box.count_overlaps(taken):
                taken.append(box)
                break
            text.remove()


def _points(name, values, x):
    values = np.ravel(np.asarray(values, float))
    if values.shape != x.shape:
        raise InputError(f"`{name}` has {values.size} values for {x.size} points of `x`.")
    return values


def _bands(mean, std, samples, x):
    """Label, opacity, lower and upper edge of the outer and the inner band."""
    if std is not None:
        std = _points("std", std, x)
        yield "± 2 std", 0.18, mean - 2 * std, mean + 2 * std
        yield "± 1 std", 0.30, mean - std, mean + std
    elif samples is not None:
        samples = np.asarray([_points("samples", sample, x) for sample in samples])
        for label, opacity, outside in (("95 %", 0.18, 0.05), ("68 %", 0.30, 0.32)):
            low, high = np.quantile(samples, (outside / 2, 1 - outside / 2), axis=0)
            yield label, opacity, low, high


def _sentences(*texts):
    return " ".join(f"{text}." for text in texts if text)
