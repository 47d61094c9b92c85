"""What makes a claim hold: comparisons, margins over seeds, error rates."""

from dlnotes import claims
import numpy as np
import pytest

DRAWS = 1_000
SEEDS = 10


def planted(mean, judge, sigma=1.0):
    """How often each verdict is given over many studies with a known mean difference."""
    rng = np.random.default_rng(0)
    verdicts = [judge(row).verdict for row in rng.normal(mean, sigma, (DRAWS, SEEDS))]
    return {name: verdicts.count(name) / DRAWS for name in ("holds", "contradicted", "not shown")}


def better(row):
    return claims.superior("difference", row)


def same(row):
    return claims.equivalent("difference", row, within=1.0)


def test_planted_effects_are_found():
    assert planted(2.0, better)["holds"] > 0.99


def test_planted_nulls_are_not_shown():
    rates = planted(0.0, better)
    assert rates["not shown"] >= 0.93
    assert rates["holds"] <= 0.035 and rates["contradicted"] <= 0.035


def test_planted_opposites_are_contradicted():
    assert planted(-2.0, better)["contradicted"] > 0.99


def test_a_choice_among_arms_asks_for_a_wider_interval():
    values = np.random.default_rng(0).normal(0.5, 1, SEEDS)
    plain, wider = (claims.above("best", values, 0.0, level) for level in (0.95, 1 - 0.05 / 3))
    assert wider.interval[0] < plain.interval[0] < plain.interval[1] < wider.interval[1]
    assert wider.rule == "98.3 % interval above 0"


def test_an_effect_below_the_margin_is_not_shown():
    rates = planted(0.5, lambda row: claims.superior("difference", row, by=2.0), sigma=0.3)
    assert rates["not shown"] == 1


def test_equality_is_shown_and_not_assumed():
    assert planted(0.0, same, sigma=0.5)["holds"] > 0.95
    assert planted(0.0, same, sigma=5.0)["holds"] < 0.05
    assert planted(1.0, same, sigma=0.5)["holds"] <= 0.06
    assert planted(3.0, same, sigma=0.5)["contradicted"] > 0.99


def test_levels():
    values = np.linspace(0.9, 1.0, SEEDS)
    assert claims.above("accuracy", values, 0.8).verdict == "holds"
    assert claims.above("accuracy", values, 0.95).verdict == "not shown"
    assert claims.above("accuracy", values, 1.2).verdict == "contradicted"
    assert claims.below("accuracy", values, 1.2).verdict == "holds"
    assert claims.below("accuracy", values, 0.8).verdict == "contradicted"
    assert claims.inside("accuracy", values, 0.8, 1.1).verdict == "holds"
    assert claims.inside("accuracy", values, 1.2, 1.3).verdict == "contradicted"
    assert claims.inside("accuracy", values, 0.94, 1.1).verdict == "not shown"


@pytest.mark.parametrize("judge", [better, same])
def test_four_seeds_show_nothing(judge):
    found = judge(np.full(4, 0.5))
    assert found.verdict == "not shown" and "too few seeds" in found.rule
    assert found.interval is None


def test_findings_together():
    holds, against, unsure = (
        claims.Finding("", "", v) for v in ("holds", "contradicted", "not shown")
    )
    assert claims.verdict([holds, holds]) == "holds"
    assert claims.verdict([holds, unsure]) == "not shown"
    assert claims.verdict([unsure, against]) == "contradicted"


@pytest.mark.parametrize(
    ("measured", "claimed", "holds"),
    [
        (5, 5, True),
        (5, 6, False),
        (0.5, 0.5 + 9e-6, True),
        (0.5, 0.5 + 2e-5, False),
        ("concat", "concat", True),
        ("concat", "sum", False),
        ((2, 3), (2, 3), True),
        ((2, 3), (2, 3, 1), False),
        (np.zeros((2, 3)), np.zeros((2, 3)), True),
        (np.zeros((2, 3)), np.full((2, 3), 1e-4), False),
        (np.zeros((2, 3)), np.zeros((3, 2)), False),
        (np.array([np.nan]), np.array([np.nan]), False),
    ],
)
def test_equal(measured, claimed, holds):
    found = claims.equal("value", measured, claimed)
    assert found.verdict == ("holds" if holds else "contradicted")


def test_integers_are_equal_or_not_whatever_the_tolerance():
    assert claims.equal("weights", 8, 9, tolerance=5).verdict == "contradicted"


def test_the_numbers_are_told():
    assert claims.equal("weights", 8, 36).rule == "8, claimed 36"
    assert claims.equal("weights", np.zeros(3), np.ones(3)).effect == 1.0


def test_differs_and_raises_and_fact():
    assert claims.differs("outputs", [0, 0], [0, 0.5]).verdict == "holds"
    assert claims.differs("outputs", [0, 0], [0, 1e-6]).verdict == "contradicted"
    assert claims.differs("outputs", [0], [0]).rule == "differs by 0, claimed at least 0.001"
    assert claims.raises("int", ValueError, lambda: int("x")).verdict == "holds"
    assert claims.raises("int", ValueError, lambda: int("1")).verdict == "contradicted"
    with pytest.raises(TypeError):
        claims.raises("int", ValueError, lambda: int(None))
    assert claims.fact("so", True).verdict == "holds"
    assert claims.fact("so", False).verdict == "contradicted"


def test_pairs_stay_together():
    results = [{"a": seed, "b": 2 * seed} for seed in range(3)]
    together = claims.together(results)
    np.testing.assert_array_equal(together["b"] - together["a"], [0, 1, 2])


def test_each_arm_gets_the_rate_that_is_best_on_validation():
    tried = []

    def train(rate):
        tried.append(rate)
        return abs(rate - 0.01), rate

    assert claims.tuned(train, (0.001, 0.01, 0.1)) == 0.01
    assert tried == [0.001, 0.01, 0.1]
