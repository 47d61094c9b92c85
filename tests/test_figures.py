from types import SimpleNamespace

from dlnotes import figures
from dlnotes.errors import InputError
from dlnotes.masks import MaskReport
import numpy as np
import pandas as pd
import pytest


def lines(axis, label):
    return [line for line in axis.lines if line.get_label() == label]


def line(axis, label):
    (found,) = lines(axis, label)
    return found


def runs_of(rng, seeds, epochs):
    return [
        {"loss": list(rng.random(epochs)), "val_loss": list(rng.random(epochs))}
        for _ in range(seeds)
    ]


class TestLearningCurves:
    def test_the_strong_line_is_the_mean_over_seeds(self, rng):
        runs = runs_of(rng, seeds=3, epochs=4)
        axis = figures.learning_curves({"ours": runs}).axes[0]
        expected = [sum(run["val_loss"][epoch] for run in runs) / 3 for epoch in range(4)]
        np.testing.assert_allclose(line(axis, "ours").get_ydata(), expected)
        np.testing.assert_array_equal(line(axis, "ours").get_xdata(), [1, 2, 3, 4])

    def test_every_run_is_drawn_thin(self, rng):
        runs = runs_of(rng, seeds=3, epochs=4)
        axis = figures.learning_curves({"ours": runs}).axes[0]
        thin = [list(drawn.get_ydata()) for drawn in axis.lines if drawn.get_linewidth() < 1]
        assert thin == [run["val_loss"] for run in runs]

    def test_the_dotted_line_is_the_mean_of_the_training_values(self, rng):
        runs = runs_of(rng, seeds=2, epochs=3)
        axis = figures.learning_curves({"ours": runs}).axes[0]
        dotted = line(axis, "_training")
        expected = [(runs[0]["loss"][i] + runs[1]["loss"][i]) / 2 for i in range(3)]
        np.testing.assert_allclose(dotted.get_ydata(), expected)
        assert dotted.get_linestyle() == ":"
        assert not lines(figures.learning_curves(runs, training=False).axes[0], "_training")

    @pytest.mark.parametrize(
        ("metric", "better", "epoch"),
        [
            ("loss", None, 2),
            ("loss", "higher", 3),
            ("rmse", None, 2),
            ("accuracy", None, 3),
            ("outputs_f1_score", None, 3),
            ("speed", "lower", 2),
        ],
    )
    def test_the_star_is_at_the_best_epoch(self, metric, better, epoch):
        history = {metric: [9.0, 8.0, 7.0], f"val_{metric}": [2.0, 1.0, 4.0]}
        axis = figures.learning_curves(history, metric, better=better).axes[0]
        star = line(axis, "_best")
        assert list(star.get_xdata()) == [epoch]
        assert list(star.get_ydata()) == [history[f"val_{metric}"][epoch - 1]]

    def test_an_unknown_metric_has_no_star(self):
        axis = figures.learning_curves({"speed": [1.0, 2.0]}, "speed").axes[0]
        assert not lines(axis, "_best")

    def test_the_best_epoch_skips_nan(self):
        axis = figures.learning_curves({"loss": [3.0, float("nan"), 2.0]}).axes[0]
        assert list(line(axis, "_best").get_xdata()) == [3]

    def test_the_mean_ends_where_the_shortest_run_ends(self):
        axis = figures.learning_curves({"ours": [{"loss": [4.0, 3.0, 2.0]}, {"loss": [2.0]}]}).axes[
            0
        ]
        assert list(line(axis, "ours").get_ydata()) == [3.0]

    def test_a_changing_learning_rate_gets_an_axis(self):
        history = {"loss": [3.0, 2.0], "learning_rate": [0.1, 0.01]}
        _, right = figures.learning_curves(history).axes
        assert list(right.lines[0].get_ydata()) == [0.1, 0.01]
        assert right.get_ylabel().startswith("learning rate")
        constant = history | {"learning_rate": [0.1, 0.1]}
        assert len(figures.learning_curves(constant).axes) == 1

    def test_variants_differ_in_colour_and_marker(self, rng):
        names = list("abcdefg")
        axis = figures.learning_curves({name: runs_of(rng, 1, 2) for name in names}).axes[0]
        for looks in ("get_color", "get_marker"):
            assert len({getattr(line(axis, name), looks)() for name in names}) == len(names)

    def test_logarithmic(self):
        assert figures.learning_curves({"loss": [1.0]}, logarithmic=True).axes[0].get_yscale() == (
            "log"
        )

    def test_takes_histories_of_keras_and_frames(self):
        values = {"loss": [3.0, 1.0]}
        for history in (SimpleNamespace(history=values), pd.DataFrame(values), [values], values):
            axis = figures.learning_curves(history).axes[0]
            assert list(line(axis, "training").get_ydata()) == values["loss"]

    def test_the_text_names_the_best_epoch(self):
        figure = figures.learning_curves({"a": {"loss": [2.0, 0.5]}, "b": {"loss": [0.25, 3.0]}})
        assert figures.alternative_text(figure) == (
            "Learning curves: loss over 2 epochs. Best epochs: a at 0.5 in epoch 2; b at 0.25 in "
            "epoch 1."
        )

    @pytest.mark.parametrize(
        ("histories", "options", "message"),
        [
            ({"loss": [1.0]}, {"metric": "mae"}, "'mae' is not in a history, which holds loss"),
            ({"a": {"loss": [1.0]}, "b": {"mae": [1.0]}}, {}, "of 'b', which holds mae"),
            ({"a": []}, {}, "holds no run of 'a'"),
            ({"loss": [1.0]}, {"better": "big"}, "must be 'lower' or 'higher'"),
        ],
    )
    def test_errors(self, histories, options, message):
        with pytest.raises(InputError, match=message):
            figures.learning_curves(histories, **options)


def test_join_histories_keeps_the_epochs_together():
    joined = figures.join_histories(
        SimpleNamespace(history={"loss": [3.0, 2.0]}), {"loss": [1.0], "learning_rate": [0.1]}
    )
    assert joined["loss"] == [3.0, 2.0, 1.0]
    np.testing.assert_array_equal(joined["learning_rate"], [np.nan, np.nan, 0.1])


def test_report_histories_groups_by_variant_and_seed():
    rows = [
        {"task": None, "variant": "a", "seed": 0, "epoch": 1, "loss": 3.0},
        {"task": None, "variant": "a", "seed": 0, "epoch": 2, "loss": 2.0},
        {"task": None, "variant": "a", "seed": 1, "epoch": 1, "loss": 4.0},
        {"task": "other", "variant": "a", "seed": 0, "epoch": 1, "loss": 9.0},
        {"task": None, "variant": "b", "seed": 0, "epoch": 1, "loss": 5.0},
    ]
    report = SimpleNamespace(history=rows)
    assert figures.report_histories(report) == {
        "a": [{"loss": [3.0, 2.0]}, {"loss": [4.0]}],
        "b": [{"loss": [5.0]}],
    }
    assert figures.report_histories(report, "other") == {"a": [{"loss": [9.0]}]}


class TestLearningRateRange:
    records = ((1e-3, 3.0), (1e-2, 1.0), (1e-1, 50.0), (1.0, float("nan")))

    def test_draws_the_records_and_the_suggestion(self):
        (axis,) = figures.learning_rate_range(self.records, 0.02).axes
        drawn = line(axis, "loss")
        np.testing.assert_array_equal(drawn.get_xdata(), [rate for rate, _ in self.records])
        np.testing.assert_array_equal(drawn.get_ydata(), [loss for _, loss in self.records])
        assert list(line(axis, "suggested: 0.02").get_xdata()) == [0.02, 0.02]
        assert axis.get_xscale() == "log"

    def test_the_explosion_does_not_flatten_the_curve(self):
        (axis,) = figures.learning_rate_range(self.records).axes
        bottom, top = axis.get_ylim()
        assert bottom < 1.0 and 3.0 < top < 50.0

    def test_refuses_no_records(self):
        with pytest.raises(InputError, match="`records` is empty: run `fit`"):
            figures.learning_rate_range([])


def bins_by_hand(confidence, hit, bins):
    """For each filled bin, closed on the right: count, mean confidence, share of hits."""
    found = []
    for number in range(bins):
        low, high = number / bins, (number + 1) / bins
        inside = [i for i, c in enumerate(confidence) if low < c <= high or c == low == 0]
        if inside:
            mean = sum(confidence[i] for i in inside) / len(inside)
            found.append((len(inside), mean, sum(hit[i] for i in inside) / len(inside)))
    return np.array(found).T


class TestReliabilityDiagram:
    def test_bins_equal_a_loop(self, rng):
        probabilities = rng.dirichlet(np.ones(3), size=200)
        labels = rng.integers(3, size=200)
        figure = figures.reliability_diagram({"net": probabilities}, labels, bins=7)
        upper, lower = figure.axes
        confidence = [max(row) for row in probabilities]
        hit = [
            int(np.argmax(row) == label) for row, label in zip(probabilities, labels, strict=True)
        ]
        counts, means, shares = bins_by_hand(confidence, hit, 7)
        error = sum(counts * abs(shares - means)) / 200
        curve = line(upper, f"net (ECE {error:.3f})")
        np.testing.assert_allclose(curve.get_xdata(), means)
        np.testing.assert_allclose(curve.get_ydata(), shares)
        values, edges, _ = lower.patches[0].get_data()
        np.testing.assert_array_equal(values[values > 0], counts)
        np.testing.assert_allclose(edges, np.arange(8) / 7)

    def test_edges_belong_to_the_bin_on_their_left(self):
        probabilities = np.array([0.0, 0.25, 0.5, 1.0])
        upper, lower = figures.reliability_diagram(probabilities, [0, 0, 1, 1], bins=2).axes
        np.testing.assert_array_equal(lower.patches[0].get_data().values, [3, 1])
        _, means, shares = bins_by_hand(probabilities, [0, 0, 1, 1], 2)
        np.testing.assert_allclose(upper.lines[1].get_xdata(), means)
        np.testing.assert_allclose(upper.lines[1].get_ydata(), shares)

    def test_the_error_is_that_of_the_library(self, rng):
        from dlnotes.uncertainty import expected_calibration_error

        probabilities = rng.dirichlet(np.ones(4), size=100)
        labels = rng.integers(4, size=100)
        upper = figures.reliability_diagram(probabilities, labels, bins=15).axes[0]
        error = expected_calibration_error(labels, probabilities, bins=15)
        assert upper.lines[1].get_label() == f"model (ECE {error:.3f})"

    def test_each_variant_has_a_curve(self, rng):
        variants = {"a": rng.random(9), "b": rng.random(9)}
        upper, lower = figures.reliability_diagram(variants, np.arange(9) % 2).axes
        assert len(upper.lines) == 3 and len(lower.patches) == 2
        assert upper.lines[1].get_linestyle() != upper.lines[2].get_linestyle()

    @pytest.mark.parametrize(
        ("probabilities", "labels", "message"),
        [
            (np.array([2.0, -1.0]), [0, 1], "between 0 and 1: pass logits"),
            (np.array([np.nan, 1.0]), [0, 1], "between 0 and 1"),
            (np.ones((3, 2)), [0, 1], r"shape \(3, 2\) for 2 labels"),
        ],
    )
    def test_errors(self, probabilities, labels, message):
        with pytest.raises(InputError, match=message):
            figures.reliability_diagram(probabilities, labels)


class TestEmbeddingMap:
    def test_distances_are_kept_for_vectors_in_a_plane(self, rng):
        plane = rng.normal(size=(6, 2)) @ np.linalg.qr(rng.normal(size=(5, 2)))[0].T + 3.0
        axis = figures.embedding_map(plane).axes[0]
        points = axis.collections[0].get_offsets()
        for i in range(6):
            for j in range(6):
                distance = np.sqrt(sum((plane[i] - plane[j]) ** 2))
                assert np.hypot(*(points[i] - points[j])) == pytest.approx(distance)

    def test_axes_are_the_directions_of_largest_variance(self, rng):
        table = rng.normal(size=(50, 4)) * [1.0, 5.0, 0.1, 2.0]
        axis = figures.embedding_map(table).axes[0]
        points = np.asarray(axis.collections[0].get_offsets())
        eigenvalues = np.sort(np.linalg.eigvalsh(np.cov(table.T)))[::-1]
        np.testing.assert_allclose(points.var(axis=0, ddof=1), eigenvalues[:2])
        share = eigenvalues[0] / eigenvalues.sum()
        assert axis.get_xlabel() == f"first component ({share:.0%} of the variance)"

    def test_labels_do_not_overlap_and_stand_at_their_points(self, rng):
        table = pd.DataFrame(rng.normal(size=(30, 2)), index=[f"category {i}" for i in range(30)])
        figure = figures.embedding_map(table)
        (axis,) = figure.axes
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in axis.texts]
        assert 10 < len(boxes) <= 30
        for i, box in enumerate(boxes):
            assert not box.count_overlaps(boxes[i + 1 :])
        points = axis.collections[0].get_offsets()
        for text in axis.texts:
            np.testing.assert_allclose(text.xy, points[table.index.get_loc(text.get_text())])

    def test_groups_have_colours_markers_and_a_legend(self, rng):
        groups = ["x", "y", "x", "z"]
        figure = figures.embedding_map(rng.normal(size=(4, 3)), colours=groups)
        drawn = figure.axes[0].collections
        assert [len(group.get_offsets()) for group in drawn] == [2, 1, 1]
        assert len({tuple(group.get_facecolor()[0]) for group in drawn}) == 3
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["x", "y", "z"]

    def test_numbers_are_drawn_on_a_scale(self, rng):
        figure = figures.embedding_map(rng.normal(size=(4, 3)), colours=[4, 3, 2, 1])
        np.testing.assert_array_equal(figure.axes[0].collections[0].get_array(), [4, 3, 2, 1])
        assert len(figure.axes) == 2

    def test_one_dimension_is_enough(self):
        points = figures.embedding_map([[1.0], [3.0]]).axes[0].collections[0].get_offsets()
        np.testing.assert_allclose(points, [[-1, 0], [1, 0]])

    @pytest.mark.parametrize(
        ("table", "options", "message"),
        [
            (np.ones(3), {}, r"shape \(3,\), but must have two axes"),
            (np.array([[1.0, np.nan], [0.0, 0.0]]), {}, "NaN or infinite"),
            (np.eye(3), {"labels": ["a"]}, "`labels` has 1 entries for 3 rows"),
            (np.eye(3), {"colours": [1, 2]}, "`colours` has 2 entries for 3 rows"),
        ],
    )
    def test_errors(self, table, options, message):
        with pytest.raises(InputError, match=message):
            figures.embedding_map(table, **options)


def edges_of(band):
    """Lower and upper edge of a `fill_between`, at each x."""
    vertices = band.get_paths()[0].vertices
    x = np.unique(vertices[:, 0])
    edges = [vertices[vertices[:, 0] == value, 1] for value in x]
    return x, np.array([edge.min() for edge in edges]), np.array([edge.max() for edge in edges])


class TestPredictionBand:
    x = np.array([2.0, 0.0, 1.0])
    mean = np.array([20.0, 0.0, 10.0])

    def test_x_is_sorted(self):
        axis = figures.prediction_band(self.x, self.mean[:, None]).axes[0]
        assert list(line(axis, "prediction").get_xdata()) == [0, 1, 2]
        assert list(line(axis, "prediction").get_ydata()) == [0, 10, 20]

    def test_bands_of_deviations(self):
        std = np.array([3.0, 1.0, 2.0])
        axis = figures.prediction_band(self.x, self.mean, std).axes[0]
        for band, deviations in zip(axis.collections, (2, 1), strict=True):
            assert band.get_label() == f"± {deviations} std"
            _, low, high = edges_of(band)
            np.testing.assert_allclose(
                low, np.array([0, 10, 20]) - deviations * np.array([1, 2, 3])
            )
            np.testing.assert_allclose(
                high, np.array([0, 10, 20]) + deviations * np.array([1, 2, 3])
            )

    def test_bands_of_samples_hold_their_share(self, rng):
        samples = rng.normal(size=(1000, 3, 1))
        axis = figures.prediction_band(self.x, self.mean, samples=samples).axes[0]
        for band, share in zip(axis.collections, (0.95, 0.68), strict=True):
            _, low, high = edges_of(band)
            drawn = samples[:, np.argsort(self.x), 0]
            inside = ((drawn >= low) & (drawn <= high)).mean(axis=0)
            np.testing.assert_allclose(inside, share, atol=0.002)

    def test_variants_get_panels_with_one_scale(self):
        means = {"MC dropout": self.mean, "plain": self.mean + 100}
        figure = figures.prediction_band(
            self.x, means, {"MC dropout": np.ones(3)}, truth=self.mean, data=([1], [5]), title="All"
        )
        left, right = figure.axes
        assert (left.get_title(), right.get_title()) == ("MC dropout", "plain")
        assert len(left.collections) == 2 and len(right.collections) == 0
        assert left.get_ylim() == right.get_ylim()
        assert list(line(right, "truth").get_ydata()) == [0, 10, 20]
        assert list(line(right, "data").get_ydata()) == [5]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"std": np.ones(2)}, "`std` has 2 values for 3 points"),
            ({"samples": np.ones((4, 5))}, "`samples` has 5 values for 3 points"),
            ({"std": np.ones(3), "samples": np.ones((4, 3))}, "`std` or `samples`, not both"),
        ],
    )
    def test_errors(self, options, message):
        with pytest.raises(InputError, match=message):
            figures.prediction_band(self.x, self.mean, **options)


def test_mask_report_shows_real_steps_and_the_place_of_death():
    mask = np.array([[True, True, False], [True, False, False]])
    rows = [
        {"layer": "words", "outgoing": 0.5, "event": "born"},
        {"layer": "pool", "outgoing": None, "event": "destroyed"},
        {"layer": "head", "outgoing": None, "event": ""},
    ]
    figure = figures.mask_report(MaskReport(rows, {"words": mask}, False))
    (axis,) = figure.axes
    grid = axis.images[0].get_array().filled(np.nan)
    np.testing.assert_array_equal(grid, [[1.0, 0.5, 0.0], [np.nan] * 3, [np.nan] * 3])
    assert [text.get_text() for text in axis.get_yticklabels()] == ["words", "pool", "head"]
    (events,) = axis.child_axes
    labels = {text.get_text(): text.get_fontweight() for text in events.get_yticklabels()}
    assert labels == {"born": "normal", "destroyed": "bold", "–": "normal"}
    assert "destroyed by pool. No mask reaches the output" in figures.alternative_text(figure)


def test_text_of_any_figure_comes_from_its_labels():
    figure, (left, right) = figures.axes(columns=2)
    left.plot([1, 2], label="ours")
    left.set(xlabel="month", ylabel="sales", title="Forecast")
    right.set(ylabel="count")
    assert figures.alternative_text(figure) == "Forecast: sales over month (ours); count."


def test_lines_of_a_panel_differ_in_colour_and_style():
    _, axis = figures.axes()
    drawn = [axis.plot([0, 1])[0] for _ in range(7)]
    assert len({one.get_color() for one in drawn}) == 7
    assert len({str(one._dash_pattern) for one in drawn}) == 7


def test_nothing_goes_through_pyplot_or_changes_its_settings(rng):
    import matplotlib
    from matplotlib import _pylab_helpers

    before = dict(matplotlib.rcParams)
    figures.learning_curves({"loss": [1.0]})
    figures.embedding_map(rng.normal(size=(3, 2)), labels=list("abc"))
    assert dict(matplotlib.rcParams) == before
    assert not _pylab_helpers.Gcf.figs
