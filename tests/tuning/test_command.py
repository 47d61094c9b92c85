"""`dlnotes tune` and `dlnotes run --from`, as a person meets them."""

import json

from dlnotes import cli, paths
import pytest

RECIPE = '''# %% [markdown]
"""
# Lines

Fits a line.

**Question.** How steep?

**Use it** always.

**Do not use it** never.

Data: none
Uses: nothing
Notes: 001:1
Paper: none
Covers: lines
"""

# %%
from dlnotes.report import Report
import keras

# %%
def build(units, rate):
    layers = [keras.Input((1,)), keras.layers.Dense(units), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(rate), "mse", metrics=["mae"], run_eagerly=True)
    return model


def run(epochs: int = 2, samples: int = 5, seed: int = 0) -> Report:
    """Fits."""
    return Report("lines", metric="error", better="lower")
'''
SEARCH = '''"""Width and rate."""

from dlnotes import claims, datasets, tuning
import numpy as np

STORY = claims.story(__file__)


def task(samples: int = 12, seed: int = 0) -> tuning.Task:
    """What is searched.

    Args:
        samples: Rows of each part.
        seed: Seed of the rows.
    """
    rng = np.random.default_rng(seed)
    parts = [datasets.Split(x, 2 * x) for x in rng.normal(size=(3, samples, 1))]

    def model(hp, train):
        return STORY.build(hp.Choice("units", [1, 2, 4]), hp.Float("rate", 0.01, 0.1))

    return tuning.Task(
        model, datasets.Dataset(*parts), "val_loss", epochs=2, defaults={"units": 1, "rate": 0.01}
    )
'''


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    family = folder / "recipes" / "numbers"
    (family / "search").mkdir(parents=True)
    (family / "lines.py").write_text(RECIPE)
    (family / "search" / "lines.py").write_text(SEARCH)
    return folder


@pytest.fixture
def here(place, monkeypatch):
    monkeypatch.setattr(paths, "recipes_folder", lambda: place / "recipes")
    monkeypatch.chdir(place)
    return place


@pytest.fixture(scope="module")
def searched(place):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "recipes_folder", lambda: place / "recipes")
        patch.chdir(place)
        words = [
            "tune",
            "lines",
            "--trials",
            "2",
            "--samples",
            "16",
            "--repeats",
            "0",
            "--objective",
            "val_mae",
        ]
        assert cli.execute(words) == 0
    (folder,) = (place / "runs" / "tune" / "lines").iterdir()
    return folder


def test_a_search_says_what_it_found_and_where(here, searched, capsys):
    assert cli.execute(["tune", "lines", "--resume", "--workers", "0"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("trial  val_mae")
    for words in (
        f"written to runs/tune/lines/{searched.name}: best.json",
        "dlnotes run lines --fr",
    ):
        assert words in shown


def test_resume_keeps_the_options_of_the_search_and_takes_more_trials(here, searched, capsys):
    assert (
        cli.execute(["tune", "lines", "--resume", "--trials", "3", "--json", "--workers", "0"]) == 0
    )
    facts = json.loads(capsys.readouterr().out)
    assert facts["options"] == {"samples": 16, "seed": 0}
    assert facts["settings"]["trials"] == 3
    assert len(json.loads((searched / "oracle.json").read_text())["trials"]) == 3
    assert list((here / "runs" / "tune" / "lines").iterdir()) == [searched]


def test_a_trial_run_again_alone_has_the_recorded_score(here, searched, capsys):
    assert cli.execute(["tune", "lines", "--again", "1"]) == 0
    assert "as recorded" in capsys.readouterr().out
    state = json.loads((searched / "oracle.json").read_text())
    score = state["trials"]["0001"]["score"]
    state["trials"]["0001"]["score"] = 2 * score
    other = here / "elsewhere" / "tune" / "lines" / "other"
    other.mkdir(parents=True)
    (other / "oracle.json").write_text(json.dumps(state))
    (other / "search.json").write_text((searched / "search.json").read_text())
    assert cli.execute(["tune", "lines", "--again", "1", "--output", "elsewhere"]) == 1
    assert f"{score}, but recorded is {2 * score}" in capsys.readouterr().out
    assert cli.execute(["tune", "lines", "--again", "99"]) == 2
    assert "has the trials 0 to" in capsys.readouterr().err


def test_resume_with_other_data_is_refused(here, searched, capsys):
    assert cli.execute(["tune", "lines", "--resume", "--samples", "17"]) == 2
    assert "the data are others" in capsys.readouterr().err


def test_the_best_is_compared_with_the_recipes_own_choice(here, searched, capsys):
    best = f"runs/tune/lines/{searched.name}/best.json"
    assert cli.execute(["run", "lines", "--from", best, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [line["variant"] for line in report["summary"]] == [
        "without search",
        "best of the search",
    ]
    assert report["metric"] == "mae"
    assert all({"mae", "loss"} <= set(line["metrics"]) for line in report["summary"])
    assert f"--from {best}" in report["command"]


def test_options_of_the_recipe_cannot_be_mixed_with_the_best(here, searched, capsys):
    best = f"runs/tune/lines/{searched.name}/best.json"
    assert cli.execute(["run", "lines", "--from", best, "--epochs", "3"]) == 2
    assert "--epochs cannot be given with --from" in capsys.readouterr().err


def test_a_file_that_is_no_best_of_this_recipe_is_refused(here, tmp_path, capsys):
    path = tmp_path / "best.json"
    for text, message in (
        ("{", "cannot be read"),
        ("[]", "it lacks recipe, objective"),
        (
            json.dumps(dict.fromkeys(("objective", "direction", "values", "options", "recipe"))),
            "belongs to None, not to lines",
        ),
    ):
        path.write_text(text)
        assert cli.execute(["run", "lines", "--from", str(path)]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lines", "--objective", "val_f2"], "no direction is known for 'f2'"),
        (["lines", "--tuner", "annealing"], "'annealing' is not one of 'random', 'grid'"),
        (["lines", "--trials", "0"], "'--trials': Input should be greater than or equal to 1"),
        (["lines", "--resume", "--output", "nowhere"], "no search to resume in nowhere"),
        (["--join"], "requires an argument"),
        ([], "Give the name of a recipe, or the address of a search with --join"),
    ],
)
def test_what_a_person_can_mend_is_one_sentence(here, capsys, words, message):
    assert cli.execute(["tune", *words]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1


def test_a_recipe_without_a_search_says_which_file_is_missing(here, capsys):
    (here / "recipes" / "numbers" / "plain.py").write_text(RECIPE)
    assert cli.execute(["tune", "plain"]) == 2
    assert "search/plain.py" in capsys.readouterr().err


def test_the_help_shows_the_options_of_the_search(here, capsys):
    cli.execute(["tune", "lines", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "Rows of each part. (default 12)" in shown
    assert "--folds" in shown
