from dlnotes import series
from dlnotes.errors import InputError
import keras
import numpy as np
import pandas as pd
import pytest

from contracts import assert_equal


def naive_windows(values, past, ahead, target, lag):
    """One window after the other."""
    x, y = [], []
    for start in range(len(values)):
        end = start + past
        if end + lag + ahead > len(values):
            break
        x.append(values[start:end])
        if target == "point":
            y.append(values[end + lag + ahead - 1])
        elif target == "sequence":
            y.append(values[end + lag : end + lag + ahead])
        else:
            y.append(values[start + lag + ahead : end + lag + ahead])
    return np.array(x, "float32"), np.array(y, "float32")


@pytest.mark.parametrize("lag", [0, 2])
@pytest.mark.parametrize(("past", "ahead"), [(4, 1), (3, 5), (1, 2)])
@pytest.mark.parametrize("target", ["point", "sequence", "shifted"])
def test_windows_equal_a_loop(target, past, ahead, lag, rng):
    values = rng.normal(size=(12, 2))
    x, y = series.windows(values, past, ahead, target=target, lag=lag)
    assert_equal((x, y), naive_windows(values, past, ahead, target, lag), 0)
    assert x.dtype == y.dtype == "float32"
    x[:] = 0
    assert values.all()


def test_one_signal_is_a_signal_of_its_own_axis_whatever_it_came_in():
    values = np.arange(6.0)
    index = pd.period_range("2000-01", periods=6, freq="M")
    for one in (values, values.tolist(), pd.Series(values, index), pd.DataFrame({"a": values})):
        x, y = series.windows(one, 2, 1)
        assert x.shape == (4, 2, 1) and y.shape == (4, 1, 1)
        assert x[:, -1, 0].tolist() == [1, 2, 3, 4] and y[:, 0, 0].tolist() == [2, 3, 4, 5]


@pytest.mark.parametrize("target", ["point", "sequence"])
def test_no_step_is_the_target_of_two_parts_and_none_is_left_out(target):
    data = series.split(np.arange(40), 5, 3, validation=7, test=9, target=target, lag=2)
    times = [set(part.y.astype(int).ravel().tolist()) for part in vars(data).values()]
    first = 9 if target == "point" else 7
    if target == "sequence":
        assert times == [set(range(first, 24)), set(range(24, 31)), set(range(31, 40))]
    assert not times[0] & times[1] and not times[1] & times[2] and not times[0] & times[2]
    assert max(times[0]) == 23 and max(times[1]) == 30 and max(times[2]) == 39


@pytest.mark.parametrize("target", ["point", "sequence", "shifted"])
def test_what_comes_later_changes_no_earlier_part(target):
    values = np.arange(40.0)
    changed = np.where(np.arange(40) < 31, values, -1)
    options = {"validation": 7, "test": 9, "target": target}
    one, other = (series.split(one, 5, 3, **options) for one in (values, changed))
    assert_equal(tuple(one.train), tuple(other.train), 0)
    assert_equal(tuple(one.validation), tuple(other.validation), 0)
    assert (one.test.y[:, -1] != other.test.y[:, -1]).all()
    changed = np.where(np.arange(40) < 24, values, -1)
    assert_equal(tuple(one.train), tuple(series.split(changed, 5, 3, **options).train), 0)


def test_the_past_reaches_back_into_the_part_before():
    data = series.split(np.arange(12), 4, 2, validation=2, test=3)
    assert data.test.x[0, :, 0].tolist() == [5, 6, 7, 8]
    assert data.test.y[..., 0].tolist() == [[9, 10], [10, 11]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"series": np.zeros((2, 2, 2))}, r"`series` has shape \(2, 2, 2\), but must be \(steps,"),
        ({"past": 0}, "`past` is 0, but must be at least 1"),
        ({"ahead": 0}, "`ahead` is 0, but must be at least 1"),
        ({"lag": -1}, "`lag` is -1, but must be at least 0"),
        ({"target": "next"}, "`target` is 'next', but must be one of 'point', 'sequence', 'shi"),
        ({"past": 9, "ahead": 2}, "10 steps, but one window with its targets needs 11. Shorten"),
    ],
)
def test_wrong_windows_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        series.windows(**{"series": np.zeros(10), "past": 3} | arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"test": 1}, "`test` is 1, but must be at least 2"),
        ({"validation": 1}, "`validation` is 1, but must be at least 2"),
        ({"test": 4}, "need at least 11. Shorten one of them"),
    ],
)
def test_parts_without_a_window_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        series.split(
            **{"series": np.zeros(10), "past": 3, "ahead": 2, "validation": 2}
            | {"test": 2}
            | arguments
        )


@pytest.mark.parametrize("kind", ["standard", "zero-one", "symmetric", "none"])
@pytest.mark.parametrize("transform", [None, "log", "sqrt"])
def test_undo_is_the_inverse_of_apply(kind, transform, rng):
    values = 5 + rng.uniform(size=(20, 2)) * [1, 100]
    for one in (values, values[:, 0]):
        scaling = series.Scaling(kind, transform).fit(one[:10])
        assert_equal(scaling.undo(scaling.apply(one)), one, 1e-9)


def test_scales_are_those_of_the_history_alone(rng):
    history, future = rng.normal(3, 2, size=(30, 2)), rng.normal(9, 9, size=(5, 2))
    both = np.concatenate([history, future])
    standard = series.Scaling().fit(history).apply(both)
    assert_equal(standard[:30].mean(axis=0), np.zeros(2))
    assert_equal(standard[:30].std(axis=0), np.ones(2))
    for kind, low in (("zero-one", 0), ("symmetric", -1)):
        scaled = series.Scaling(kind).fit(history).apply(both)
        assert_equal(scaled[:30].min(axis=0), np.full(2, float(low)))
        assert_equal(scaled[:30].max(axis=0), np.ones(2))
        assert scaled[30:].max() > 1
    assert_equal(series.Scaling("none").fit(history).apply(both), both)


def test_forecasts_of_the_first_signals_and_windows_of_all_fit_to_the_scale(rng):
    values = rng.normal([3, 8], [1, 5], size=(20, 2))
    scaling = series.Scaling().fit(values)
    x, y = series.windows(scaling.apply(values), 4, 2)
    assert_equal(scaling.undo(x), series.windows(values, 4, 2)[0])
    assert_equal(scaling.undo(y[..., :1]), series.windows(values[:, :1], 4, 2)[1])
    assert_equal(scaling.fit(values[None]).apply(values[:, 0:1]).shape, (20, 1))


def test_a_forecast_of_a_negative_root_is_zero():
    scaling = series.Scaling("none", "sqrt").fit([1.0, 4.0])
    assert_equal(scaling.undo([-3.0, 2.0]), np.array([0.0, 4.0]))


def test_a_constant_is_not_divided_by_zero():
    assert_equal(series.Scaling().fit(np.full(4, 7.0)).apply([7.0, 8.0]), np.array([0.0, 1.0]))


@pytest.mark.parametrize(("transform", "value"), [("log", 0.0), ("sqrt", -1.0)])
def test_a_transform_that_is_not_defined_is_refused(transform, value):
    with pytest.raises(InputError, match=f"{transform!r} is not defined for {value:g}"):
        series.Scaling(transform=transform).fit([value, 1.0])


def test_unknown_scales_are_refused():
    with pytest.raises(InputError, match="`kind` is 'minmax', but must be one of 'standard', "):
        series.Scaling("minmax")
    with pytest.raises(InputError, match="`transform` is 'cube', but must be one of None, 'log'"):
        series.Scaling(transform="cube")


@pytest.mark.parametrize("season", [1, 3, 5])
def test_seasonal_naive_repeats_the_last_season(season, rng):
    history = rng.normal(size=(7, 2))
    answer = series.seasonal_naive(history, 8, season)
    for step in range(8):
        expected = history[7 - season + step % season]
        assert_equal(answer[step], expected, 0)


def test_mase_equals_the_formula(rng):
    truth, forecast, history = (rng.normal(size=size) for size in (6, 6, 20))
    total = 0.0
    for step in range(4, 20):
        total += abs(history[step] - history[step - 4])
    expected = sum(abs(truth - forecast)) / 6 / (total / 16)
    assert series.mase(truth, forecast, history, season=4) == pytest.approx(expected)


def test_repeating_the_season_of_a_history_has_an_error_of_one():
    history = np.arange(24.0)
    truth, forecast = history[4:], history[:-4]
    assert series.mase(truth, forecast, history, season=4) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: series.mase([1, 2], [1], [1, 2]), r"shape \(1,\), but `truth` has \(2,\)"),
        (lambda: series.mase([1], [1], [1, 2], 2), "`season` is 2, but the history allows 1"),
        (lambda: series.mase([1], [1], [3, 4, 3, 4], 2), "repeats itself after 2 steps exactly"),
        (lambda: series.seasonal_naive([1, 2], 1, 3), "`season` is 3, but the history allows 2"),
        (lambda: series.seasonal_naive([1, 2], 0), "`ahead` is 0, but must be at least 1"),
    ],
)
def test_wrong_seasons_and_shapes_are_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_walking_forward_shows_the_past_alone():
    seen = []

    def forecast(history, steps):
        seen.append(history.tolist())
        return np.full(steps, history[-1])

    answers = series.walk_forward(forecast, [5, 6, 7, 8], [1, 3], 2)
    assert seen == [[5], [5, 6, 7]]
    assert answers.tolist() == [[5, 5], [7, 7]]


def test_a_wrong_walk_is_refused():
    with pytest.raises(InputError, match="`ends` holds 5, but must lie between 1 and 4"):
        series.walk_forward(series.seasonal_naive, [5, 6, 7, 8], [5], 1)
    with pytest.raises(InputError, match="gave 3 steps where 2 were asked for"):
        series.walk_forward(lambda history, steps: history[:3], [5, 6, 7, 8], [4], 2)


def linear(past, ahead, signals, targets, rng):
    inputs = keras.Input((past, signals))
    x = keras.layers.Dense(ahead * targets)(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, keras.layers.Reshape((ahead, targets))(x))
    kernel, bias = model.get_weights()
    model.set_weights([rng.normal(scale=0.3, size=kernel.shape), rng.normal(size=bias.shape)])
    return model


@pytest.mark.parametrize(("past", "ahead"), [(4, 1), (4, 3), (2, 5)])
def test_rolling_forward_reads_the_forecasts_as_if_they_had_come_true(past, ahead, rng):
    model = linear(past, ahead, 2, 2, rng)
    kernel, bias = model.get_weights()
    history = rng.normal(size=(3, past, 2)).astype("float32")
    answers = series.roll_forward(model, history, 7)
    for row, known in zip(answers, history.tolist(), strict=True):
        while len(known) < past + 7:
            forecast = np.ravel(known[-past:]) @ kernel + bias
            known += forecast.reshape(ahead, 2).tolist()
        assert_equal(row, np.array(known)[past : past + 7], 1e-4)


def test_a_signal_that_nobody_forecasts_ends_the_rolling(rng):
    model, history = linear(3, 2, 2, 1, rng), rng.normal(size=(1, 3, 2))
    assert series.roll_forward(model, history, 2).shape == (1, 2, 1)
    with pytest.raises(InputError, match=r"1 of the 2 signals .* no further than 2 steps"):
        series.roll_forward(model, history, 3)
