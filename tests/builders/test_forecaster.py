from dlnotes.builders import forecaster, forecaster_space
from dlnotes.errors import InputError
import numpy as np
import pytest

from contracts import assert_equal, check_builder, check_mixed_precision
from loops import lstm_loop, randomise

STRATEGIES = ["direct", "recursive", "encoder_decoder"]
LSTM = 4 * 32 * (2 + 32 + 1)
PARAMETERS = {
    "direct": LSTM + 33 * 3 * 2,
    "recursive": LSTM + 33 * 2,
    "encoder_decoder": 2 * LSTM + 33 * 2,
}


def space_without_strategy(hp):
    return {key: value for key, value in forecaster_space(hp).items() if key != "strategy"}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_contract(strategy, tmp_path, rng):
    choices = {} if strategy == "direct" else {"strategy": strategy}
    check_builder(
        forecaster,
        {"input_shape": (5, 2), "ahead": 3} | choices,
        rng.normal(size=(4, 5, 2)),
        np.zeros((4, 3, 2)),
        tmp_path,
        space=space_without_strategy if choices else forecaster_space,
        loss="mae",
        output_shape=(None, 3, 2),
        parameters=PARAMETERS[strategy],
    )


def expected(strategy, weights, x, ahead, targets):
    """The forecasts as loops over the steps."""
    first, rest = weights[:3], weights[3:]
    outputs, h, c = lstm_loop(first, x)
    if strategy == "direct":
        kernel, bias = rest
        return (outputs[:, -1] @ kernel + bias).reshape(len(x), ahead, targets)
    cell, value = first, outputs[:, -1]
    if strategy == "encoder_decoder":
        cell, rest = rest[:3], rest[3:]
        outputs, h, c = lstm_loop(cell, x[:, -1:, :targets], h=h, c=c)
        value = outputs[:, -1]
    kernel, bias = rest
    values = [value @ kernel + bias]
    while len(values) < ahead:
        outputs, h, c = lstm_loop(cell, values[-1][:, None], h=h, c=c)
        values.append(outputs[:, -1] @ kernel + bias)
    return np.stack(values, axis=1)


@pytest.mark.parametrize("level", [None, 1, 3])
@pytest.mark.parametrize(
    ("strategy", "targets"),
    [("direct", 2), ("direct", 1), ("recursive", 2), ("encoder_decoder", 1)],
)
def test_equals_loops_over_the_steps(strategy, targets, level, rng):
    model = forecaster((None, 2), 4, strategy=strategy, units=3, level=level, targets=targets)
    randomise(model, rng)
    for shape in ((2, 6, 2), (5, 4, 2)):
        x = 3 + rng.normal(size=shape).astype("float32")
        mean = x[:, -level:].mean(axis=1, keepdims=True) if level else np.zeros((len(x), 1, 2))
        answer = expected(strategy, model.get_weights(), x - mean, 4, targets)
        assert_equal(np.asarray(model(x)), answer + mean[..., :targets])


@pytest.mark.parametrize("strategy", STRATEGIES[1:])
def test_weights_of_one_step_forecast_any_number_of_steps(strategy, rng):
    short, long = (forecaster((None, 1), steps, strategy=strategy, units=3) for steps in (1, 6))
    long.set_weights(randomise(short, rng).get_weights())
    x = rng.normal(size=(3, 5, 1)).astype("float32")
    assert_equal(np.asarray(long(x))[:, :1], np.asarray(short(x)))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_with_a_level_forecasts_move_along_with_the_series(strategy, rng):
    model = randomise(forecaster((6, 1), 3, strategy=strategy, units=3, level=2), rng)
    x = rng.normal(size=(4, 6, 1)).astype("float32")
    assert_equal(np.asarray(model(x + 10)), np.asarray(model(x)) + 10)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_mixed_precision(strategy, rng):
    x = rng.normal(size=(3, 5, 1))
    check_mixed_precision(lambda: forecaster((5, 1), 3, strategy=strategy, level=2), x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (5,)}, r"`input_shape` is \(5,\), but must be \(steps, signals\)"),
        ({"ahead": 0}, "`ahead` is 0, but must be at least 1"),
        ({"strategy": "mimo"}, "'mimo', but must be one of 'direct', 'recursive', 'encoder_dec"),
        ({"level": 0}, "`level` is 0, but must be at least 1"),
        ({"level": 6}, "`level` is 6, but a window has 5 steps. Give a longer window"),
        ({"targets": 3}, "`targets` is 3, but there are 2 signals"),
        ({"targets": 0}, "`targets` is 0, but must be at least 1"),
        ({"targets": 1, "strategy": "recursive"}, "has to forecast all 2 signals. Leave `targets`"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        forecaster(**{"input_shape": (5, 2), "ahead": 3} | arguments)
