"""What is searched in each recipe: the space, what is fitted on what, one trial at tiny size."""

import re

from dlnotes import catalogue, datasets, masks, tables, tuning
from dlnotes.errors import InputError
from dlnotes.tuning.task import digest
import keras
import keras_tuner
import numpy as np
import pandas as pd
import pytest

from test_recipes import code_lines

RECIPES = {r.name: r for r in catalogue.recipes() if r.search_path.is_file()}
LONGEST = 60
SAMPLES = dict.fromkeys(RECIPES, 200) | {"stateful_lstm": 24, "time_distributed": 40}

each_recipe = pytest.mark.parametrize("name", RECIPES)


def make(name, **options):
    return RECIPES[name].load_search().task(**{"samples": SAMPLES[name], "epochs": 2} | options)


@pytest.fixture(scope="module")
def tasks():
    """The task of each recipe, made once."""
    made = {}

    def task(name):
        if name not in made:
            made[name] = make(name)
        return made[name]

    return task


def leaves(values):
    """Arrays by their place in dictionaries, tuples and tables."""
    if isinstance(values, pd.DataFrame):
        values = dict(values)
    if isinstance(values, list | tuple):
        values = dict(enumerate(values))
    if not isinstance(values, dict):
        return {(): np.asarray(values)}
    return {(n, *place): v for n, part in values.items() for place, v in leaves(part).items()}


def same(one, other):
    one, other = leaves(one), leaves(other)
    return one.keys() == other.keys() and all(np.array_equal(one[n], other[n]) for n in one)


def trial(task, values):
    """The prepared parts, the model and the arguments of fit for some values; the space."""
    keras.backend.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    parts = task.parts(hp, task.data.train, task.data.validation)
    return parts, task.compiled(hp, parts[0]), task.fit_arguments(hp), hp


def told(parts, model, arguments):
    """All that hyper-parameters may decide, as what can be compared."""
    optimizer = str(keras.saving.serialize_keras_object(model.optimizer))
    weights = str(model.get_compile_config()["loss_weights"])
    arguments = {name: str(value) for name, value in arguments.items() if name != "callbacks"}
    return [leaves(parts), model.to_json(), optimizer, weights, arguments, model.get_weights()]


def all_values(hp):
    """Values of a hyper-parameter: all of a choice, else the smallest and the largest."""
    if hasattr(hp, "min_value"):
        return [hp.min_value, hp.max_value]
    return list(getattr(hp, "values", None) or [False, True])


def lies_in_domain(hp, value):
    if not hasattr(hp, "min_value"):
        return any(value == known and type(value) is type(known) for known in all_values(hp))
    steps = 0
    if hp.step and hp.sampling == "log":
        steps = np.log(value / hp.min_value) / np.log(hp.step)
    elif hp.step:
        steps = (value - hp.min_value) / hp.step
    return hp.min_value <= value <= hp.max_value and steps == pytest.approx(round(steps))


@each_recipe
def test_the_file_is_short_and_its_options_are_explained(name):
    recipe = RECIPES[name]
    options = {option.name: option for option in recipe.search_options()}
    own = {option.name for option in recipe.options} & {"csv", "target", "data", "label"}
    assert len(code_lines(recipe.search_path)) <= LONGEST
    assert {"samples", "seed", "epochs"} <= set(options)
    assert all(option.help for option in options.values())
    assert options["seed"].default == 0
    assert own <= set(options) or name == "stateful_lstm"
    assert recipe.search_path.read_text().startswith('# %% [markdown]\n"""\n# ')


@each_recipe
def test_the_header_holds_no_measured_number(name):
    texts = re.findall(
        r'# %% \[markdown\]\n"""(.*?)"""', RECIPES[name].search_path.read_text(), re.S
    )
    assert texts and not re.search(r"\d\.\d|\d ?%", " ".join(texts))


@each_recipe
def test_defaults_name_what_is_searched_and_lie_in_its_domain(tasks, name):
    task = tasks(name)
    *_, hp = trial(task, {})
    space = {one.name: one for one in hp.space}
    assert set(task.defaults) == set(space)
    for known, value in task.defaults.items():
        assert lies_in_domain(space[known], value), (known, value)


@each_recipe
def test_every_hyper_parameter_changes_something(tasks, name):
    task = tasks(name)
    *usual, hp = trial(task, task.defaults)
    assert hp.values == task.defaults
    usual = told(*usual)
    for one in hp.space:
        other = next(value for value in all_values(one) if value != task.defaults[one.name])
        *unusual, _ = trial(task, task.defaults | {one.name: other})
        assert not same(told(*unusual), usual), one.name


@each_recipe
def test_one_trial_reports_the_objective(tasks, name):
    task = tasks(name)
    parts, model, arguments, _ = trial(task, task.defaults)
    train = dict(zip(("x", "y", "sample_weight"), parts[0], strict=False))
    options = arguments | {"epochs": 1, "verbose": 0}
    history = model.fit(**train, validation_data=tuple(parts[1]), **options).history
    assert np.isfinite(history[task.objective.name]).all()


@each_recipe
def test_preparation_is_fitted_on_the_first_part_alone(tasks, name):
    task, hp = tasks(name), keras_tuner.HyperParameters()
    train, validation, test = vars(task.data).values()
    first = task.parts(hp, train, validation)[0]
    assert same(first, task.parts(hp, train, test, validation)[0])
    assert same(first, task.parts(hp, train)[0])


@each_recipe
def test_one_seed_gives_one_data_set(tasks, name):
    assert digest(make(name).data) == digest(tasks(name).data)


@each_recipe
def test_too_few_samples_are_refused(name):
    if name in ("bidirectional", "mc_dropout", "entity_embeddings", "time_distributed"):
        pytest.skip("fewer rows are fewer rows")
    with pytest.raises(InputError, match="`samples` is 1, but must be at least"):
        make(name, samples=1)


# What single recipes add.


def test_mc_dropout_encodes_a_table_as_the_recipe_does(tmp_path, rng):
    frame = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"])
    frame.loc[::7, "a"] = np.nan
    frame["name"], frame["price"] = rng.choice(["x", "y", "z"], 60), 100 * rng.normal(size=60)
    frame.to_csv(tmp_path / "own.csv", index=False)
    table = datasets.read_table(tmp_path / "own.csv", "price", rows=50, seed=3)
    task = make("mc_dropout", csv=tmp_path / "own.csv", target="price", samples=50, seed=3)
    parts = task.parts(None, *vars(task.data).values())
    for (x, y), part in zip(parts, vars(table).values(), strict=True):
        np.testing.assert_allclose(x, part.x, atol=1e-6)
        assert np.array_equal(y, part.y)
    model = task.compiled(keras_tuner.HyperParameters(), parts[0])
    rescale = model.layers[-1]
    assert (rescale.offset, rescale.scale) == pytest.approx(
        (table.train.y.mean(), table.train.y.std())
    )


def test_streams_that_fill_no_batch_are_joined_by_copies_without_weight(tasks):
    task, hp = tasks("stateful_lstm"), keras_tuner.HyperParameters()
    part = tuning.task.take(task.data.train, np.arange(5))
    (x, y, weight) = task.parts(hp, part)[0]
    batch_size, steps = task.fit_arguments(hp)["batch_size"], part.x.shape[1]
    streams = np.concatenate(np.split(x[..., 0], len(x) // batch_size), axis=1)
    weights = np.concatenate(np.split(weight, len(x) // batch_size), axis=1)
    assert np.array_equal(streams[:5], part.x[..., 0])
    assert not weights[5:].any()
    known = np.arange(steps) >= y.shape[-1]
    assert np.array_equal(weights[:5], np.broadcast_to(known, (5, steps)))


def test_each_fit_gets_its_own_reset(tasks):
    task, hp = tasks("stateful_lstm"), keras_tuner.HyperParameters()
    resets = [task.fit_arguments(hp)["callbacks"][0] for _ in range(2)]
    assert resets[0] is not resets[1]
    assert resets[0].every * 4 == task.data.train.x.shape[1]


def test_speakers_are_standardised_by_the_real_steps_of_the_first_part(tasks):
    task = tasks("bidirectional")
    few = tuning.task.take(task.data.train, np.arange(30))
    whole, part = task.parts(None, task.data.train)[0], task.parts(None, few)[0]
    np.testing.assert_allclose(part[0][masks.step_weights(few.x) > 0].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(part[0][masks.step_weights(few.x) > 0].std(axis=0), 1, atol=1e-5)
    assert not part[0][masks.step_weights(few.x) == 0].any()
    assert not np.allclose(part[0], whole[0][:30], atol=1e-3)


def test_labels_of_each_step_are_weighed_by_the_padding(tmp_path):
    x = np.random.default_rng(0).normal(size=(20, 4, 2))
    x[::2, 3:] = 0
    np.savez(tmp_path / "own.npz", x=x, y=np.arange(80).reshape(20, 4) % 3)
    task = make("bidirectional", data=tmp_path / "own.npz")
    (prepared, _, weight), model, *_ = (
        trial(task, task.defaults)[0][0],
        *trial(task, task.defaults)[1:],
    )
    assert task.order == "any" and model.output_shape == (None, None, 3)
    assert np.array_equal(weight, masks.step_weights(prepared)) and 0 < weight.mean() < 1


def test_own_films_are_divided_by_the_largest_of_the_first_part(tmp_path):
    x = np.random.default_rng(0).normal(size=(20, 4, 8, 8, 1))
    np.savez(tmp_path / "own.npz", x=x, y=np.arange(20) % 2)
    task = make("time_distributed", data=tmp_path / "own.npz")
    few = tuning.task.take(task.data.train, np.arange(4))
    for part in (task.data.train, few):
        assert np.abs(task.parts(None, part)[0][0]).max() == pytest.approx(1)


def test_an_own_table_has_no_tower_to_share(tmp_path, rng):
    frame = pd.DataFrame(rng.normal(size=(300, 2)), columns=["a", "b"])
    frame["price"], frame["sold"] = frame["a"] * 2, (frame["b"] > 0).astype(int)
    frame.to_csv(tmp_path / "own.csv", index=False)
    task = make("functional_io", csv=tmp_path / "own.csv", target="price,sold", samples=300)
    *_, hp = trial(task, task.defaults)
    assert "shared" not in task.defaults
    assert set(task.defaults) == {one.name for one in hp.space}


def test_class_weights_are_those_of_the_first_part(tasks):
    task, hp = tasks("functional_io"), keras_tuner.HyperParameters()
    for balanced in (False, True):
        hp.values["class_weights"] = balanced
        (_, y, weight), (_, other, its) = task.parts(hp, task.data.train, task.data.validation)
        late = y["classification"][:, 0] > 0
        expected = np.where(late, 0.5 / late.mean(), 0.5 / (1 - late.mean())) if balanced else 1
        np.testing.assert_allclose(weight["classification"], expected, rtol=1e-5)
        assert set(its["classification"]) <= set(weight["classification"])
        assert (weight["regression"] == 1).all() and len(its["regression"]) == len(
            other["regression"]
        )


def test_loss_weights_are_one_over_the_losses_of_constants(tasks):
    task = tasks("functional_io")
    values = task.defaults | {"loss_weights": "balanced"}
    (train, _), model, *_ = trial(task, values)
    minutes, late = (train[1][name].mean() for name in ("regression", "classification"))
    squared = np.mean((train[1]["regression"] - minutes) ** 2)
    entropy = -late * np.log(late) - (1 - late) * np.log(1 - late)
    weights = model.get_compile_config()["loss_weights"]
    assert weights == pytest.approx(
        {"regression": 1 / squared, "classification": 1 / entropy}, rel=1e-3
    )


def test_embeddings_have_the_codes_of_the_encoder(tasks):
    task = tasks("entity_embeddings")
    _, model, *_ = trial(task, task.defaults)
    encoder = tables.EntityEncoder(min_count=3).fit(task.data.train.x)
    for column, codes in encoder.code_counts_.items():
        layer = model.get_layer(tables.embedding_name(column))
        assert layer.input_dim == codes
        assert layer.output_dim == min(16, tables.embedding_sizes({column: codes}, "half")[column])


@pytest.mark.parametrize("own", [{}, {"tuner/epochs": 5}])
def test_the_learning_rate_falls_to_zero_in_the_last_epoch(tasks, own):
    task = tasks("entity_embeddings")
    _, model, arguments, _ = trial(task, task.defaults | own)
    steps = arguments["epochs"] * -(-len(task.data.train.y) // arguments["batch_size"])
    schedule = keras.saving.serialize_keras_object(model.optimizer)["config"]["learning_rate"]
    assert schedule["config"]["decay_steps"] == steps
    assert arguments["epochs"] == own.get("tuner/epochs", task.defaults["epochs"])


def test_words_without_a_vector_are_unknown(tasks):
    task = tasks("glove_embedding")
    _, model, *_ = trial(task, task.defaults)
    matrix = model.get_layer("vectors").get_weights()[0]
    glove = catalogue.find("glove_embedding").load().load_vectors(datasets.glove_path())
    known = {vector.tobytes() for vector in glove.matrix}
    for part in vars(task.data).values():
        words = np.unique(part.x)
        assert all(matrix[word].tobytes() in known for word in words if word > 1)
        assert 1 in words


def test_the_encoder_sees_no_text_with_a_label(monkeypatch):
    module = RECIPES["hub_sentence_encoder"].load_search()
    seen = []
    monkeypatch.setattr(module, "make_module", lambda texts, *_: seen.extend(texts) or "nowhere")
    task = module.task(samples=200)
    judged = [text for part in vars(task.data).values() for text in part.x]
    assert len(seen) + len(judged) == 200 and not set(seen) & set(judged)
