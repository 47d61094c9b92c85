"""Running, keeping, sharing and recording checks, on a recipe made for it."""

import json
import os
from pathlib import Path
import subprocess
import sys

from dlnotes import catalogue, checks, cli, verdicts
from dlnotes.errors import InputError
import pytest

STORY = '''# %% [markdown]
"""
# A recipe

One line.
"""


# %%
def run(epochs: int = 1, samples: int = 1, seed: int = 0):
    """Runs."""
'''
CLAIMS = """
from pathlib import Path
from dlnotes import claims

@claims.exact("two", "One and one are two.", where="001:1")
def two():
    return claims.equal("sum", 1 + 1, 2)

@claims.exact("three", "One and one are three.", where="001:2")
def three():
    return [claims.equal("sum", 1 + 1, 2), claims.equal("sum", 1 + 1, 3)]

@claims.outdated(7, was="Old line.", now="New line.", where="001:3")
def old():
    return claims.raises("old", NameError, lambda: unknown)

@claims.experiment
def numbers(seed):
    with Path("log.txt").open("a") as log:
        log.write(f"{seed}\\n")
    return {"low": 0.01 * seed, "high": 1 + 0.02 * seed}

@claims.empirical("more", "High is more than low.", where="001:4", runs=numbers)
def more(scores):
    return claims.superior("gain", scores["high"] - scores["low"], by=0.5)

@claims.empirical("less", "High is less than low.", where="001:5", runs=numbers)
def less(scores):
    return claims.superior("loss", scores["low"] - scores["high"])

answer = claims.question("why", "Which is more?", where="001:6", answered_by=["more", "less"])
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    place = tmp_path / "recipes" / "family"
    (place / "claims").mkdir(parents=True)
    (place / "made.py").write_text(STORY)
    (place / "claims" / "made.py").write_text(CLAIMS)
    monkeypatch.chdir(tmp_path)
    return catalogue.find(str(place / "made.py"))


def change(recipe, old, new):
    text = recipe.claims_path.read_text()
    assert old in text
    recipe.claims_path.write_text(text.replace(old, new))


def by_id(checked):
    return {result["id"]: result for result in checked.results}


def log():
    path = Path("log.txt")
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def test_every_claim_gets_its_verdict(recipe):
    found = by_id(checks.check(recipe))
    assert {id: result["verdict"] for id, result in found.items()} == {
        "two": "holds",
        "three": "contradicted",
        "outdated-7": "holds",
        "more": "holds",
        "less": "contradicted",
        "why": "answered",
    }
    assert found["more"]["seeds"] == 10 and found["two"]["seeds"] == 0
    low, high = found["more"]["interval"]
    assert low < found["more"]["effect"] < high
    assert found["three"]["tests"][1]["rule"] == "2, claimed 3"
    assert found["outdated-7"]["was"] == "Old line."


def test_claims_share_the_runs_they_need(recipe):
    checks.check(recipe)
    assert sorted(log()) == list(range(10))


def test_exact_alone_runs_nothing(recipe):
    found = by_id(checks.check(recipe, exact=True))
    assert set(found) == {"two", "three", "outdated-7"}
    assert log() == []


def test_what_was_made_is_not_made_again(recipe):
    checks.check(recipe, seeds=6)
    checks.check(recipe, seeds=8)
    assert log() == list(range(8))


def test_other_code_is_run_again(recipe):
    checks.check(recipe, seeds=6)
    change(recipe, "0.02 * seed", "0.03 * seed")
    checks.check(recipe, seeds=6)
    assert log() == [*range(6), *range(6)]


def test_another_margin_needs_no_runs(recipe):
    checks.check(recipe)
    change(recipe, "by=0.5", "by=5")
    assert by_id(checks.check(recipe))["more"]["verdict"] == "not shown"
    assert len(log()) == 10


def test_too_few_seeds_leave_a_question_open(recipe):
    found = by_id(checks.check(recipe, seeds=2))
    assert found["more"]["verdict"] == "not shown"
    assert found["why"]["verdict"] == "open"


def test_a_check_that_breaks_is_told_and_not_recorded(recipe):
    change(recipe, '1 + 1, 2)\n\n@claims.exact("three"', "1 + 'x', 2)\n\n@claims.exact(\"three\"")
    checked = checks.check(recipe)
    assert by_id(checked)["two"]["verdict"] == "failed"
    assert "TypeError: unsupported operand" in by_id(checked)["two"]["tests"][0]["rule"]
    with pytest.raises(InputError, match="not recorded: two"):
        checks.record(checked)
    assert verdicts.recorded(recipe) is None


@pytest.mark.slow
def test_two_processes_share_the_work(recipe):
    change(recipe, '    with Path("log', '    import time; time.sleep(0.2)\n    with Path("log')
    code = "from dlnotes import cli; import sys; sys.exit(cli.execute(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "check", str(recipe.path), "--json"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    found = [json.loads(process.communicate()[0]) for process in both]
    assert sorted(log()) == list(range(10))
    for results in found:
        for result in results:
            if result["kind"] != "empirical":
                result["seconds"] = None
    assert found[0] == found[1]


@pytest.mark.slow
def test_goes_on_after_it_was_killed(recipe):
    change(recipe, '    with Path("log', '    import os\n    with Path("log')
    change(
        recipe,
        "    return {",
        '    if os.environ.get("DIE") == str(seed): os._exit(9)\n    return {',
    )
    code = "from dlnotes import cli; import sys; sys.exit(cli.execute(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "check", str(recipe.path), "--json"]
    killed = subprocess.run(command, env=os.environ | {"DIE": "4"}, check=False)
    assert killed.returncode == 9
    found = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    assert {result["id"] for result in json.loads(found.stdout)} >= {"more", "less"}
    assert log() == [0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9]


def test_records_and_knows_when_it_is_stale(recipe):
    assert checks.is_stale(recipe) and verdicts.counts(recipe) is None
    path = checks.record(checks.check(recipe))
    assert path == recipe.path.parent / "results" / "made-claims.json"
    before = verdicts.recorded(recipe)
    assert len(before["runs"]["numbers"]) == 10
    assert not checks.is_stale(recipe)
    assert verdicts.counts(recipe) == {"holds": 2, "contradicted": 2, "open": 0}
    change(recipe, "by=0.5", "by=5")
    assert checks.is_stale(recipe)


def test_few_seeds_are_not_recorded(recipe):
    with pytest.raises(InputError, match="more rests on fewer than 10 seeds"):
        checks.record(checks.check(recipe, seeds=6))


def test_a_recipe_without_claims_is_not_stale(recipe):
    recipe.claims_path.unlink()
    assert not checks.is_stale(recipe)


def run(capsys, *arguments):
    code = cli.execute(["check", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_command_prints_a_table_and_reasons(recipe, capsys):
    code, out, err = run(capsys, recipe.path)
    assert (code, err) == (0, "")
    assert "claim" in out and "interval" in out
    assert "three (001:2) is contradicted:\n  One and one are three.\n  sum: 2, claimed 3" in out
    assert "3 holds, 2 contradicted, 1 answered" in out


def test_command_prints_json(recipe, capsys):
    _, out, _ = run(capsys, recipe.path, "--json", "--seeds", 6)
    results = json.loads(out)
    assert {"id", "verdict", "effect", "interval", "seeds"} <= set(results[0])
    assert [result["seeds"] for result in results if result["kind"] == "empirical"] == [6, 6]


def test_command_records_and_compares(recipe, capsys):
    code, _, err = run(capsys, recipe.path, "--record")
    assert code == 0 and "recorded in" in err
    change(recipe, '1 + 1, 2)\n\n@claims.exact("three"', '1 + 1, 4)\n\n@claims.exact("three"')
    code, out, _ = run(capsys, recipe.path, "--exact")
    assert code == 1 and "other than recorded: two" in out


def test_command_goes_on_after_ctrl_c(recipe, capsys):
    stop = '    if Path("log.txt").stat().st_size == 8:\n        raise KeyboardInterrupt\n'
    change(recipe, "    return {", stop + "    return {")
    code, out, err = run(capsys, recipe.path)
    assert (code, out) == (130, "")
    assert err == (
        "Stopped. Runs that have ended are kept in runs/check: the same command goes on from "
        "there.\n"
    )
    assert run(capsys, recipe.path)[0] == 0
    assert log() == [0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing_like_it"], "There is no recipe called 'nothing_like_it'"),
        (["--exact", "--record"], "--record takes all claims of a recipe: leave out --exact."),
        (["--seeds", "0"], "'--seeds'"),
        (["--output", "log.txt"], "Cannot keep the runs in"),
    ],
)
def test_command_complains_in_one_sentence(recipe, capsys, arguments, message):
    Path("log.txt").write_text("a file")
    code, out, err = run(capsys, recipe.path, *arguments)
    assert code == 2 and out == ""
    assert message in err and err.count("\n") == 1


def test_command_says_that_a_run_cannot_be_kept(recipe, capsys):
    change(recipe, "    return {", '    Path("runs").rename("moved")\n    return {')
    code, _, err = run(capsys, recipe.path)
    assert code == 2 and "Cannot keep the run in" in err and err.count("\n") == 1


def test_command_says_that_there_are_no_claims(recipe, capsys):
    recipe.claims_path.unlink()
    code, _, err = run(capsys, recipe.path)
    assert code == 2 and "made has no claims" in err


RECORDED = [
    recipe
    for recipe in catalogue.recipes()
    if recipe.claims_path.is_file() and verdicts.recorded(recipe)
]
each_recorded = pytest.mark.parametrize("recipe", RECORDED, ids=lambda recipe: recipe.name)


@each_recorded
def test_recorded_verdicts_follow_from_the_recorded_numbers(recipe):
    """The judgement of every empirical claim, made again from the numbers of each seed."""
    before = verdicts.recorded(recipe)
    module = recipe.load_claims()
    old = {result["id"]: result for result in before["claims"]}
    for claim in checks.claims.of_module(module):
        if claim.kind == "empirical":
            scores = checks.claims.together(before["runs"][claim.runs.name])
            found = claim.findings(scores)
            assert checks.claims.verdict(found) == old[claim.id]["verdict"]
            assert [f.to_dict()["verdict"] for f in found] == [
                test["verdict"] for test in old[claim.id]["tests"]
            ]
            assert old[claim.id]["seeds"] >= 10


@each_recorded
def test_exact_claims_get_their_recorded_verdicts(recipe, tmp_path):
    results = checks.check(recipe, exact=True, output=tmp_path).results
    assert {r["id"]: r["verdict"] for r in results} == {r["id"]: r["recorded"] for r in results}
    for result in results:
        if result["kind"] == "outdated":
            assert result["verdict"] == "holds", f"{result['id']} wants to be written anew"


@pytest.mark.parametrize(
    "recipe",
    [recipe for recipe in catalogue.recipes() if recipe.claims_path.is_file()],
    ids=lambda recipe: recipe.name,
)
def test_claims_are_well_formed(recipe):
    found = checks.claims.of_module(recipe.load_claims())
    ids = [claim.id for claim in found]
    assert len(set(ids)) == len(ids)
    for claim in found:
        assert claim.kind == "outdated" or claim.statement.endswith((".", "?")), claim.id
        assert all(part.strip()[:3].isdigit() for part in claim.where.split(";")), (
            f"{claim.id}: {claim.where}"
        )
        if claim.kind == "question":
            assert set(claim.more["answered_by"]) <= set(ids)


def test_every_recipe_with_claims_is_recorded():
    with_claims = [recipe.name for recipe in catalogue.recipes() if recipe.claims_path.is_file()]
    assert [recipe.name for recipe in RECORDED] == with_claims
    assert with_claims
