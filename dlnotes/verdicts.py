"""The recorded verdicts of a recipe."""

import contextlib
import json


def path_of(recipe):
    """Where the recorded verdicts of a recipe lie."""
    return recipe.results_path.with_name(f"{recipe.name}-claims.json")


def recorded(recipe):
    """The recorded verdicts of a recipe, or `None` where there are none.

    Args:
        recipe: A `Recipe`.

    Returns:
        Dictionary, as `record` wrote it.
    """
    with contextlib.suppress(FileNotFoundError):
        return json.loads(path_of(recipe).read_text())
    return None


def counts(recipe):
    """How many claims of a recipe hold, are contradicted, are open.

    Args:
        recipe: A `Recipe`.

    Returns:
        Dictionary with `holds`, `contradicted` and `open` (not shown, or a question without an
        answer), or `None` where nothing is recorded. Outdated statements are not counted.
    """
    before = recorded(recipe)
    if before is None:
        return None
    numbers = {"holds": 0, "contradicted": 0, "open": 0}
    for result in before["claims"]:
        if result["verdict"] in ("not shown", "open"):
            numbers["open"] += 1
        elif result["kind"] in ("exact", "empirical"):
            numbers[result["verdict"]] += 1
    return numbers


def counted(numbers):
    """The numbers of `counts` in words."""
    words = {"holds": "hold", "contradicted": "contradicted", "open": "open"}
    return ", ".join(f"{numbers[key]} {word}" for key, word in words.items() if numbers[key])
