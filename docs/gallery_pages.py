"""The pages of the gallery, made from the recipes, their claims and what was recorded."""

import ast
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
import re

from dlnotes import catalogue, paths, results, verdicts
from dlnotes.fingerprint import fingerprint
from dlnotes.idioms import GROUPS, IDIOMS
from dlnotes.report import as_markdown, tables
import jupytext
import nbformat
import reference_pages
import speed_pages

SYMBOLS = {
    "holds": "✓",
    "contradicted": "✗",
    "not shown": "○",
    "answered": "✓",
    "open": "?",
    "confirmed": "✓",
    "no longer so": "✗",
    "failed": "!",
    "fails": "✗",
    "does nothing": "○",
    "does something else": "≠",
}
HEADINGS = {
    "holds": "Holds",
    "contradicted": "Contradicted",
    "not shown": "Not shown",
    "open": "Open questions",
    "answered": "Answered questions",
}
MEANINGS = {
    "holds": "shown by a proof, or over seeds with a margin that was fixed beforehand",
    "contradicted": "the opposite was shown",
    "not shown": "the runs cannot tell: neither shown nor refuted",
    "open": "questions of the notes that no check has settled",
    "answered": "questions of the notes that checked claims settle",
}
_EFFECTS = {
    "fails": "fail",
    "does nothing": "are accepted and do nothing",
    "does something else": "do something else than before",
}
OF_ENTRIES = {"holds": "confirmed", "contradicted": "no longer so"}
ONE_RUN = """### One run

The recipe with {options} and one seed, as it ran when this page was built:"""
GUARD = "cli.main(run)"
NO_CLAIMS = "The notes name this subject, but say nothing of it that an experiment could settle."
NOT_CHECKED = "The claims of the notes on this subject are not checked yet."
GENERATED = ("_generated", "recipes", "families", "reference")


@dataclass(frozen=True)
class Entry:
    """A recipe with what was recorded of it; `None` where nothing was."""

    recipe: catalogue.Recipe
    results: dict | None = None
    claims: dict | None = None

    @property
    def name(self):
        return self.recipe.name

    @property
    def says_nothing(self):
        """Whether the notes say nothing of the subject that could be checked."""
        return not self.recipe.claims_path.is_file()

    @property
    def badges(self):
        """How many claims have which verdict, or that there is nothing to judge."""
        return "[none]{.verdict .verdict-none}" if self.says_nothing else badges(self.judged)

    @property
    def judged(self):
        """The recorded claims and questions, without the entries on outdated lines."""
        return [claim for claim in self._claims if claim["kind"] != "outdated"]

    @property
    def errata(self):
        return [claim for claim in self._claims if claim["kind"] == "outdated"]

    @property
    def _claims(self):
        return self.claims["claims"] if self.claims else []


def entries():
    """Every recipe on disk."""
    return [
        Entry(recipe, results.read(recipe), verdicts.recorded(recipe))
        for recipe in catalogue.recipes()
    ]


# ---- what every page uses


def plain(text):
    """Text for Markdown: code in backticks stays, every other sign stands for itself."""
    parts = re.split(r"(`[^`]*`)", " ".join(str(text).split()))
    return "".join(
        part if part.startswith("`") else re.sub(r"([\\*_\[\]<>{}#|$])", r"\\\1", part)
        for part in parts
    )


def fenced(code, language="python"):
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", code)), default=0))
    return f"{fence}{language}\n{code.strip()}\n{fence}"


def slug(verdict):
    return verdict.replace(" ", "-")


def badge(verdict, count=None):
    """A verdict as a symbol and a word, and how often; never as a colour alone."""
    words = verdict if count is None else f"{count} {verdict}"
    if verdict == "holds" and count not in (None, 1):
        words = f"{count} hold"
    return f"[{SYMBOLS[verdict]} {words}]{{.verdict .verdict-{slug(verdict)}}}"


def badges(claims):
    """How many claims have which verdict."""
    counts = Counter(claim["verdict"] for claim in claims)
    shown = [badge(verdict, counts[verdict]) for verdict in HEADINGS if counts[verdict]]
    return " ".join(shown) or "[not checked yet]{.verdict .verdict-none}"


def anchor(claim):
    return f"claim-{claim['id']}"


def measured(finding):
    """The effect of a claim or of a test with its interval, in words; proofs have none."""
    if finding["effect"] is None or finding.get("kind") == "exact":
        return ""
    text = f"effect {finding['effect']:.3g}"
    if finding["interval"]:
        low, high = finding["interval"]
        text += f" (interval {low:.3g} to {high:.3g})"
    return text


def joined(*parts):
    return " · ".join(part for part in parts if part)


# ---- the source of the checks


def sources(path):
    """The source of each check in a file of claims, and of what the checks share.

    Args:
        path: `pathlib.Path` of a file of claims.

    Returns:
        Tuple of a dictionary from a claim's id to its source, and of the rest of the file: its
        imports, its helpers and the experiments behind empirical claims.
    """
    if not path.is_file():
        return {}, ""
    text = path.read_text(encoding="utf-8")
    checks, shared = {}, []
    for node in ast.parse(text).body:
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
        code = "\n".join(text.splitlines()[first - 1 : node.end_lineno])
        value = node.value if isinstance(node, ast.Assign | ast.Expr) else None
        calls = [*decorators, *(ast.walk(value) if value else [])]
        ids = [found for call in calls if (found := _claimed(call)) is not None]
        if ids:
            checks[ids[0]] = code
        elif not isinstance(value, ast.Constant) or isinstance(node, ast.Assign):
            shared.append(f"\n\n{code}\n" if hasattr(node, "body") else code)
    return checks, "\n".join(shared)


def _claimed(call):
    """The id in a call of `dlnotes.claims`, or `None`."""
    if not isinstance(call, ast.Call) or not call.args:
        return None
    kind = getattr(call.func, "attr", getattr(call.func, "id", None))
    if kind == "outdated":
        return f"outdated-{ast.literal_eval(call.args[0])}"
    if kind in ("exact", "empirical", "question"):
        return ast.literal_eval(call.args[0])
    return None


# ---- one recipe


def notebook(recipe):
    """A recipe as a notebook without outputs."""
    book = jupytext.reads(recipe.path.read_text(encoding="utf-8"), fmt="py:percent")
    book.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return _numbered(book)


def recipe_notebook(entry, options=""):
    """The page of a recipe: its story as a notebook, between what was recorded and the claims.

    Args:
        entry: An `Entry`.
        options: String, with which arguments the recipe runs. Defaults to its own options.
    """
    book = notebook(entry.recipe)
    story = [_lowered(cell) for cell in book.cells[1:]]
    if options:
        story[-1].source = story[-1].source.replace(GUARD, f"run({options}).display()")
    said = f"`{options}`" if options else "its default options"
    story.insert(-1, nbformat.v4.new_markdown_cell(ONE_RUN.format(options=said)))
    before = "\n\n".join([_head(entry), _results(entry), "## The story"])
    book.cells = [
        nbformat.v4.new_markdown_cell(before),
        *story,
        nbformat.v4.new_markdown_cell(_claims(entry)),
    ]
    book.metadata["fingerprint"] = fingerprint(entry.recipe.path)
    return _numbered(book)


def _numbered(book):
    for number, cell in enumerate(book.cells):
        cell.id = f"cell-{number}"
    return book


def _lowered(cell):
    """A cell whose headings are one level lower."""
    if cell.cell_type == "markdown":
        cell.source = re.sub(r"^#", "##", cell.source, flags=re.M)
    return cell


def _head(entry):
    recipe = entry.recipe
    download = f"../_generated/notebooks/{recipe.name}.ipynb"
    advice = []
    for name, symbol in (("Use it", "✓"), ("Do not use it", "✗")):
        text = recipe.questions.get(name, "")
        lines = [f":::{{grid-item-card}} {symbol} {name}", f":class-card: advice-{name[0].lower()}"]
        advice.append("\n".join([*lines, "", text[:1].upper() + text[1:], ":::"]))
    advice = "\n".join([":::::{grid} 1 1 2 2", ":gutter: 3", "", *advice, ":::::"])
    facts = [
        f":{name}: {_uses(text) if name == 'Uses' else _linked(text)}"
        for name, text in recipe.fields.items()
        if name != "Covers"
    ]
    facts.append(f":Family: [{recipe.family}](../families/{recipe.family}.md)")
    return "\n\n".join(
        [
            f"# {recipe.title}",
            f"[{plain(recipe.summary)}]{{.lead}}" if "`" not in recipe.summary else recipe.summary,
            f"**The question.** {recipe.questions.get('Question', '')}",
            advice,
            f"**Claims of the notes** {entry.badges} "
            f"[all with their checks](#claims-of-{recipe.name})",
            fenced(_commands(recipe), "sh"),
            f"{{download}}`Download the notebook <{download}>`",
            "\n".join(facts),
        ]
    )


def _commands(recipe):
    """The commands for a recipe: to run it, and to search its hyper-parameters."""
    verbs = ["run", "tune"] if recipe.search_path.is_file() else ["run"]
    return "\n".join(f"dlnotes {verb} {recipe.name}" for verb in verbs)


def _uses(text):
    return ", ".join(f"{{py:obj}}`{name.strip()}`" for name in text.split(","))


def _linked(text):
    return re.sub(r"(https?://[^\s,;]+)", r"<\1>", text)


def _results(entry):
    """The recorded tables and figures, and what they were made with."""
    parts = [f"(results-of-{entry.name})=\n## Results"]
    recorded = entry.results
    if recorded is None:
        return "\n\n".join([*parts, "Not recorded yet."])
    seeds = len(recorded["seeds"])
    parts.append(f"Mean and standard deviation over {seeds} seeds, on data nothing was fitted to.")
    for name, alt in recorded["figures"].items():
        picture = f"![{plain(alt)}](../_generated/figures/{entry.name}-{name}.png)"
        parts.append(f":::{{container}} picture\n{picture}\n:::")
    for task, header, rows in tables(recorded["summary"]):
        if task:
            parts.append(f"**{task[:1].upper() + task[1:]}**")
        parts.append(f":::{{container}} results\n\n{as_markdown(header, rows)}\n:::")
    machine, memory = recorded["machine"], recorded["peak_memory_mib"]
    versions = ", ".join(f"{name} {number}" for name, number in recorded["versions"].items())
    facts = {
        "Seeds": seeds,
        "Seconds for each seed": f"{recorded['seconds']['mean']:.0f}",
        "Peak memory": f"{memory:,} MiB",
        "Machine": f"{machine['cores']} cores, {machine['memory_gib']} GiB, {machine['processor']}",
        "Versions": versions,
        "Recorded": recorded["recorded"],
        "Fingerprint of the code": recorded["fingerprint"],
    }
    lines = [f":{name}: {plain(value)}" for name, value in facts.items() if value is not None]
    parts.append(_dropdown("How these numbers were made", "\n".join(lines)))
    return "\n\n".join(parts)


def _dropdown(title, *parts):
    return "\n".join([f":::::{{dropdown}} {title}", "", "\n\n".join(parts), ":::::"])


# ---- the claims of one recipe


def _claims(entry):
    parts = [f"(claims-of-{entry.name})=\n## What the notes say, and what we found"]
    if entry.claims is None:
        return "\n\n".join([*parts, NO_CLAIMS if entry.says_nothing else NOT_CHECKED])
    code, shared = sources(entry.recipe.claims_path)
    parts.append(badges(entry.judged))
    parts += [_claim(claim, code.get(claim["id"])) for claim in entry.judged]
    if shared:
        parts.append(_dropdown("The code that these checks share", fenced(shared)))
    if entry.errata:
        parts.append("### Outdated lines of the notes")
        parts += [_erratum(claim, code.get(claim["id"])) for claim in entry.errata]
    return "\n\n".join(parts)


def _claim(claim, code):
    seeds = f"{claim['seeds']} seeds" if claim["kind"] == "empirical" else ""
    said = joined(claim["kind"], measured(claim), seeds, f"notes {claim['where']}")
    if claim["kind"] == "question":
        settled = "settled by" if claim["verdict"] == "answered" else "waits for"
        answers = ", ".join(f"[{name}](#claim-{name})" for name in claim.get("answered_by", []))
        said = joined("question", answers and f"{settled} {answers}", f"notes {claim['where']}")
    else:
        said = plain(said)
    statement = f"{badge(claim['verdict'])} {plain(claim['statement'])}"
    if claim["kind"] == "exact" and claim["verdict"] == "contradicted":
        against = [test for test in claim["tests"] if test["verdict"] == "contradicted"]
        facts = "; ".join(f"{plain(test['what'])}: {plain(test['rule'])}" for test in against)
        statement += f"\n\n**Found:** {facts}."
    return _card(claim, claim["verdict"], statement, said, code)


def _card(claim, verdict, statement, said, code):
    name = slug(verdict)
    inside = [statement, f"[{said}]{{.said}}"]
    tests = [_test(test, claim["kind"]) for test in claim.get("tests", [])]
    blocks = ["\n".join(tests)] * bool(tests) + [fenced(source) for source in [code] if source]
    if blocks:
        inside.append(_dropdown("How it is checked", *blocks))
    opening = f"::::::{{container}} claim claim-{name}"
    return "\n\n".join([f"({anchor(claim)})=", opening, *inside, "::::::"])


def _test(test, kind):
    rule = test.get("rule") or f"{test.get('measured')}, claimed {test.get('claimed')}"
    found = measured(test)
    if kind != "empirical":
        found = found.replace("effect", "measured" if rule.startswith("is ") else "difference")
    return f"- {badge(test['verdict'])} {joined(plain(test['what']), plain(rule), found)}"


def _erratum(claim, code=None):
    verdict = OF_ENTRIES.get(claim["verdict"], claim["verdict"])
    change = f"**Was:** {plain(claim['was'])}\n\n**Now:** {plain(claim['now'])}"
    said = plain(f"notes {claim['where']}")
    return _card(claim, verdict, f"{badge(verdict)}\n\n{change}", said, code)


# ---- pages over all recipes


def statistics(every):
    """What the recorded files say together, in one line."""
    judged = [claim for entry in every for claim in entry.judged]
    families = {entry.recipe.family for entry in every}
    trained = sum(len(entry.results["seeds"]) for entry in every if entry.results)
    return (
        f"{len(every)} recipes in {len(families)} families, {trained} runs over seeds behind "
        f"their tables. {len(judged)} claims and questions of the notes have a verdict: "
        f"{badges(judged)}"
    )


def front(every, abouts):
    """The part of the front page that is made from the recipes.

    Args:
        every: List of `Entry`.
        abouts: Dictionary from family to a tuple of its title and what unites it.

    Returns:
        Markdown text.
    """
    judged = [claim for entry in every for claim in entry.judged]
    counts = Counter(claim["verdict"] for claim in judged)
    cards = [
        _link_card(HEADINGS[verdict], f"#claims-{slug(verdict)}")
        + f"[{SYMBOLS[verdict]} {counts[verdict]}]{{.number .verdict-{slug(verdict)}}}"
        + f"\n\n{MEANINGS[verdict]}\n::::"
        for verdict in HEADINGS
        if counts[verdict] or verdict != "answered"
    ]
    parts = [statistics(every), "## By verdict", _grid(cards, "2 2 4 4"), "## By family"]
    for family, (title, about) in abouts.items():
        members = [entry for entry in every if entry.recipe.family == family]
        cards = [
            _link_card(plain(entry.recipe.title), f"recipes/{entry.name}.ipynb")
            + f"{entry.recipe.summary}\n\n{_footer(entry)}\n::::"
            for entry in members
        ]
        parts += [
            f"### [{title}](families/{family}.md)",
            about,
            _grid(cards, "1 1 2 2" if len(cards) > 1 else "1"),
        ]
    return "\n\n".join(parts)


def _footer(entry):
    return f":::{{card-footer}}\n`{entry.name}` {entry.badges}\n:::"


def _link_card(title, target):
    return f"::::{{grid-item-card}} [{title}]({target})\n:class-card: linked\n\n"


def _grid(cards, columns):
    return "\n".join([f":::::{{grid}} {columns}", ":gutter: 3", "", *cards, ":::::"])


def by_verdict(every):
    """All claims, grouped by verdict."""
    parts = [statistics(every)]
    for verdict, heading in HEADINGS.items():
        found = [
            f"- [{plain(claim['statement'])}](#{anchor(claim)})\\\n  "
            f"[{joined(f'[{entry.name}](recipes/{entry.name}.ipynb)', measured(claim))}]{{.said}}"
            for entry in every
            for claim in entry.judged
            if claim["verdict"] == verdict
        ]
        parts.append(f"(claims-{slug(verdict)})=\n## {SYMBOLS[verdict]} {heading}")
        parts += [MEANINGS[verdict].capitalize() + ".", "\n".join(found) or "None."]
    missing = [one.name for one in every if one.claims is None and not one.says_nothing]
    if missing:
        links = ", ".join(f"[{name}](recipes/{name}.ipynb)" for name in missing)
        parts.append(f"## Not checked yet\n\nRecipes whose claims have no verdict yet: {links}.")
    return "\n\n".join(parts)


def errata(every):
    """Every recorded entry on an outdated line of the notes, by recipe."""
    parts = []
    for entry in every:
        if entry.errata:
            parts.append(f"## [{entry.name}](recipes/{entry.name}.ipynb)")
            for claim in entry.errata:
                verdict = OF_ENTRIES.get(claim["verdict"], claim["verdict"])
                change = f"**Was:** {plain(claim['was'])}\n\n**Now:** {plain(claim['now'])}"
                said = f"notes {plain(claim['where'])} · [how it is checked](#{anchor(claim)})"
                name = slug(verdict)
                parts.append(f"::::{{container}} claim claim-{name}\n\n{badge(verdict)}")
                parts += [change, said, "::::"]
    return "\n\n".join(parts) or "No entry is recorded yet."


def migration():
    """The table of idioms that changed between Keras 2 and Keras 3, by group."""
    counts = Counter(idiom.effect for idiom in IDIOMS)
    words = ", ".join(f"{count} {_EFFECTS[effect]}" for effect, count in counts.most_common())
    parts = [f"{len(IDIOMS)} idioms: {words}."]
    for group in GROUPS:
        parts.append(f"## {group}")
        parts += [_idiom(idiom) for idiom in IDIOMS if idiom.group == group]
    return "\n\n".join(parts)


def _idiom(idiom):
    codes = [
        f":::{{container}} code\n{title}\n{fenced(code)}\n:::"
        for title, code in (("Keras 2", idiom.old), ("Keras 3", idiom.new))
    ]
    return "\n\n".join(
        [
            f"(idiom-{idiom.id})=",
            f":::::{{container}} claim claim-{slug(idiom.effect)}",
            f"{badge(idiom.effect)} {plain(idiom.why)}",
            "\n".join(["::::{container} pair", *codes, "::::"]),
            ":::::",
        ]
    )


def family_page(text, members):
    """The page of a family, from its README, whose links to recipes lead to their pages."""
    for entry in members:
        text = text.replace(f"]({entry.name}.py)", f"](../recipes/{entry.name}.ipynb)")
        text = text.replace(f"](claims/{entry.name}.py)", f"](#claims-of-{entry.name})")
    names = [f"{entry.name} <../recipes/{entry.name}>" for entry in members]
    tree = "\n".join(["```{toctree}", ":hidden:", "", *names, "```"])
    return f"{text.strip()}\n\n{tree}\n"


def about_family(text):
    """The title of a family and what unites it, from its README."""
    parts = [part for part in text.split("\n\n") if part.strip()]
    return parts[0].lstrip("# ").strip(), " ".join(parts[1].split())


# ---- writing


def pages(every, readmes, options=""):
    """Every generated page and fragment.

    Args:
        every: List of `Entry`.
        readmes: Dictionary from family to the text of its README.
        options: As of `recipe_notebook`.

    Returns:
        Dictionary from path, relative to the documentation, to text.
    """
    abouts = {family: about_family(text) for family, text in readmes.items()}
    families = "\n".join(f"families/{family}" for family in readmes)
    found = {
        "_generated/front.md": front(every, abouts),
        "_generated/families.md": f"```{{toctree}}\n:hidden:\n:caption: Recipes\n\n{families}\n```",
        "_generated/claims.md": by_verdict(every),
        "_generated/errata.md": errata(every),
        "_generated/migration.md": migration(),
    }
    for family, text in readmes.items():
        members = [entry for entry in every if entry.recipe.family == family]
        found[f"families/{family}.md"] = family_page(text, members)
    for entry in every:
        found[f"recipes/{entry.name}.ipynb"] = nbformat.writes(recipe_notebook(entry, options))
        found[f"_generated/notebooks/{entry.name}.ipynb"] = nbformat.writes(notebook(entry.recipe))
    return {Path(path): text for path, text in found.items()}


def write(docs, options=""):
    """Writes every page that has changed, and removes those of recipes that are gone.

    Args:
        docs: `pathlib.Path` of the documentation.
        options: As of `recipe_notebook`.
    """
    every = entries()
    folders = {entry.recipe.family: entry.recipe.path.parent for entry in every}
    readmes = {name: (path / "README.md").read_text() for name, path in folders.items()}
    prose = (paths.PACKAGE.parent / "README.md").read_text(encoding="utf-8")
    prose += "".join(entry.recipe.fields.get("Uses", "") for entry in every)
    texts = pages(every, readmes, options) | reference_pages.texts(paths.PACKAGE, prose)
    wanted = {docs / path: text.encode() for path, text in texts.items()}
    for entry in every:
        for name in entry.results["figures"] if entry.results else []:
            picture = results.figure_path(entry.recipe, name)
            wanted[docs / "_generated/figures" / picture.name] = picture.read_bytes()
    speed = speed_pages.texts(speed_pages.recorded())
    wanted |= {docs / path: content for path, content in speed.items()}
    for folder in GENERATED:
        for path in (docs / folder).rglob("*"):
            if path.is_file() and path not in wanted:
                path.unlink()
    for path, content in wanted.items():
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
