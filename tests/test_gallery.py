"""The gallery: how its pages are made, and the site in a real browser."""

import ast
import contextlib
import functools
from html.parser import HTMLParser
import http.server
import importlib.util
import inspect
import itertools
import os
from pathlib import Path
import re
import shutil
import sys
import threading

from dlnotes import catalogue, paths, results, verdicts
from dlnotes.idioms import IDIOMS
import nbformat
import pytest

ROOT = paths.recipes_folder().parent
SITE = Path(os.environ.get("DLNOTES_SITE", ROOT / "site"))
sys.path.insert(0, str(ROOT / "docs"))
import gallery_pages  # noqa: E402
import reference_pages  # noqa: E402

# Recipes on whose subjects the notes say something come first.
RECIPES = sorted(catalogue.recipes(), key=lambda recipe: not recipe.claims_path.is_file())
NAMES = [recipe.name for recipe in RECIPES]
TOLD = [recipe.name for recipe in RECIPES if recipe.claims_path.is_file()]


def finding(what, rule, verdict, effect=None, interval=None):
    return {"what": what, "rule": rule, "verdict": verdict, "effect": effect, "interval": interval}


def claim(id, kind, verdict, statement="It is so.", tests=(), **more):
    facts = {"where": "001:1", "effect": None, "interval": None, "seeds": 1, "seconds": 1.0}
    named = {"id": id, "kind": kind, "statement": statement, "verdict": verdict}
    return named | facts | {"tests": list(tests)} | more


CLAIMS = [
    claim("equal-shapes", "exact", "holds", "Shapes of `x_y` & *z* are equal."),
    claim(
        "wider-helps",
        "empirical",
        "contradicted",
        "Wider is better.",
        [finding("accuracy", "interval above 0", "contradicted", -0.5, [-0.6, -0.4])],
        effect=-0.5,
        interval=[-0.6, -0.4],
        seeds=10,
    ),
    claim("deeper-helps", "empirical", "not shown", "Deeper is better.", seeds=10),
    claim("why", "question", "open", "Why?", answered_by=["deeper-helps"]),
    claim("outdated-3", "outdated", "holds", was="`Adam(lr=1)`", now="`Adam(learning_rate=1)`"),
    claim("outdated-4", "outdated", "contradicted", was="an old line", now="a new line"),
]


@pytest.fixture(scope="module")
def every():
    """All recipes, the first one with claims."""
    found = [gallery_pages.Entry(recipe, results.read(recipe)) for recipe in RECIPES]
    return [gallery_pages.Entry(found[0].recipe, found[0].results, {"claims": CLAIMS}), *found[1:]]


@pytest.fixture(scope="module")
def made(every):
    folders = {recipe.family: recipe.path.parent for recipe in RECIPES}
    readmes = {family: (path / "README.md").read_text() for family, path in folders.items()}
    return {str(path): text for path, text in gallery_pages.pages(every, readmes).items()}


def sections(text, level="## "):
    """The parts of a page by heading."""
    parts = re.split(rf"^{level}", text, flags=re.M)[1:]
    return {part.partition("\n")[0]: part.partition("\n")[2] for part in parts}


def test_every_recipe_is_on_the_front_page_and_on_the_page_of_its_family(made):
    for recipe in RECIPES:
        assert f"](recipes/{recipe.name}.ipynb)" in made["_generated/front.md"]
        assert f"{recipe.name} <../recipes/{recipe.name}>" in made[f"families/{recipe.family}.md"]
        assert f"recipes/{recipe.name}.ipynb" in made


def test_the_front_page_counts_verdicts(made):
    text = made["_generated/front.md"]
    assert f"{len(RECIPES)} recipes" in text
    assert "4 claims and questions of the notes have a verdict" in text
    for words in ("✓ 1 holds", "✗ 1 contradicted", "○ 1 not shown", "? 1 open"):
        assert words in text
    assert text.count("not checked yet") == len(TOLD) - 1


def test_claims_are_grouped_by_verdict(made):
    groups = sections(made["_generated/claims.md"])
    of = {heading.split(maxsplit=1)[1]: text for heading, text in groups.items()}
    assert "(#claim-equal-shapes)" in of["Holds"] and "Wider" not in of["Holds"]
    assert "(#claim-wider-helps)" in of["Contradicted"]
    assert "effect -0.5 (interval -0.6 to -0.4)" in of["Contradicted"]
    assert "(#claim-deeper-helps)" in of["Not shown"]
    assert "(#claim-why)" in of["Open questions"]
    missing = groups["Not checked yet"]
    assert all(f"[{name}]" in missing for name in TOLD[1:]) and f"[{NAMES[0]}]" not in missing
    assert not any(f"[{name}]" in missing for name in NAMES[len(TOLD) :])


def test_errata_say_what_was_and_what_is_now(made):
    text = made["_generated/errata.md"]
    assert "**Was:** `Adam(lr=1)`" in text and "**Now:** `Adam(learning_rate=1)`" in text
    first, second = text.split("**Was:** an old line")
    assert "✓ confirmed" in first and "✗ no longer so" in first.rpartition("container")[2]
    assert "a new line" in second


def test_the_migration_page_shows_every_idiom(made):
    text = made["_generated/migration.md"]
    assert f"{len(IDIOMS)} idioms: " in text
    for idiom in IDIOMS:
        assert text.count(f"(idiom-{idiom.id})=") == 1
        assert f"```python\n{idiom.old}\n```" in text and f"```python\n{idiom.new}\n```" in text


def test_the_page_of_a_recipe_has_an_anchor_a_verdict_and_an_effect_for_each_claim(made):
    book = nbformat.reads(made[f"recipes/{NAMES[0]}.ipynb"], as_version=4)
    last = book.cells[-1].source
    for one in CLAIMS:
        assert last.count(f"(claim-{one['id']})=") == 1
    for words in ("✓ holds", "✗ contradicted", "○ not shown", "? open", "10 seeds"):
        assert words in last
    assert "Shapes of `x_y` & \\*z\\* are equal." in last
    assert "[deeper-helps](#claim-deeper-helps)" in last


def test_the_page_of_a_recipe_without_claims_says_so(made):
    book = nbformat.reads(made[f"recipes/{NAMES[1]}.ipynb"], as_version=4)
    assert "not checked yet" in book.cells[0].source
    assert "not checked yet" in book.cells[-1].source
    book = nbformat.reads(made[f"recipes/{NAMES[-1]}.ipynb"], as_version=4)
    assert "[none]" in book.cells[0].source
    assert "say nothing of it that an experiment could settle" in book.cells[-1].source


@pytest.mark.parametrize("recipe", RECIPES, ids=NAMES)
def test_the_page_of_a_recipe_tells_its_story_in_order(recipe):
    entry = gallery_pages.Entry(recipe, results.read(recipe))
    book = gallery_pages.recipe_notebook(entry)
    text = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    levels = [len(mark) for mark in re.findall(r"^(#+) ", text, re.M)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert recipe.title in text and "✓ Use it" in text and "✗ Do not use it" in text
    for name in recipe.fields["Uses"].split(","):
        assert f"{{py:obj}}`{name.strip()}`" in text
    for name, alt in (entry.results or {"figures": {}})["figures"].items():
        assert len(alt) > 20 and f"{recipe.name}-{name}.png" in text


@pytest.mark.parametrize("recipe", RECIPES, ids=NAMES)
def test_the_notebook_is_the_recipe(recipe):
    book = gallery_pages.notebook(recipe)
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    together = ast.parse("\n\n".join(cell.source for cell in code))
    assert ast.dump(together) == ast.dump(ast.Module(recipe.tree.body[1:], [])) or [
        ast.dump(node) for node in together.body
    ] == [ast.dump(node) for node in recipe.tree.body if not _is_text(node)]
    assert not any(cell.outputs for cell in code)
    assert book == gallery_pages.notebook(recipe)


def _is_text(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


@pytest.mark.parametrize("recipe", RECIPES, ids=NAMES)
def test_a_page_runs_its_recipe_with_its_own_options_or_with_others(recipe):
    entry = gallery_pages.Entry(recipe, results.read(recipe))
    *_, said, run, _ = gallery_pages.recipe_notebook(entry).cells
    assert "its default options" in said.source and run.source.endswith("cli.main(run)")
    *_, said, run, _ = gallery_pages.recipe_notebook(entry, "epochs=1, samples=200").cells
    assert "`epochs=1, samples=200` and one seed" in said.source
    assert run.source.endswith("run(epochs=1, samples=200).display()")


def test_the_source_of_a_check_is_shown_with_its_decorator(tmp_path):
    path = tmp_path / "topic.py"
    path.write_text(
        "'A topic.'\n\nfrom dlnotes import claims\n\nSIZE = 3\n\n\n"
        "@claims.experiment(seeds=3)\ndef runs(seed):\n    return {'a': seed}\n\n\n"
        "@claims.exact('one', 'One is one.', where='1')\ndef one():\n    return 1\n\n\n"
        "why = claims.question('why', 'Why?', where='1', answered_by=['one'])\n\n\n"
        "@claims.outdated(7, was='old', now='new', where='1')\ndef seven():\n    return 7\n"
    )
    checks, shared = gallery_pages.sources(path)
    assert list(checks) == ["one", "why", "outdated-7"]
    assert checks["one"].startswith("@claims.exact") and checks["one"].endswith("return 1")
    assert shared.startswith(
        "from dlnotes import claims\nSIZE = 3\n\n\n@claims.experiment(seeds=3)\n"
    )
    assert shared.endswith("return {'a': seed}\n")
    assert gallery_pages.sources(tmp_path / "none.py") == ({}, "")


def test_a_refuted_claim_says_what_was_found():
    tests = [finding("weights", "8, claimed 36", "contradicted", 28.0)]
    tests.append(finding("shape", "(4, 1), claimed (4, 1)", "holds"))
    refuted = claim("flat", "exact", "contradicted", "It is flat.", tests)
    assert "**Found:** weights: 8, claimed 36." in gallery_pages._claim(refuted, None)
    proved = claim("flat", "exact", "holds", "It is flat.", tests[1:])
    assert "Found" not in gallery_pages._claim(proved, None)


def test_every_recorded_claim_has_its_source():
    for recipe in RECIPES:
        recorded = verdicts.recorded(recipe) or {"claims": []}
        shown, _ = gallery_pages.sources(recipe.claims_path)
        assert {one["id"] for one in recorded["claims"]} <= set(shown), recipe.name


def test_text_of_others_is_no_markup():
    assert gallery_pages.plain("a*b [c] `d_e` <f> {g}") == "a\\*b \\[c\\] `d_e` \\<f\\> \\{g\\}"
    code = "text = '''\n```python\n'''"
    assert gallery_pages.fenced(code).startswith("````python")


def test_only_what_has_changed_is_written_and_what_is_gone_is_removed(tmp_path):
    gallery_pages.write(tmp_path)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    old, page = tmp_path / "recipes" / "old.ipynb", tmp_path / "recipes" / f"{NAMES[0]}.ipynb"
    old.write_text("{}")
    page.write_text("{}")
    gallery_pages.write(tmp_path)
    assert not old.exists()
    renewed = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert {path for path in written if written[path] != renewed[path]} == {page}
    assert set(written) == set(renewed)


# ---- the reference


@functools.cache
def documented():
    readme = (ROOT / "README.md").read_text()
    texts = reference_pages.texts(paths.PACKAGE, readme).values()
    return set(re.findall(r"^\.\. auto(?:class|function):: ([\w.]+)$", "\n".join(texts), re.M))


@pytest.mark.parametrize("package", reference_pages.PACKAGES)
def test_every_name_that_a_package_exports_has_an_entry(package):
    module = importlib.import_module(f"dlnotes.{package}")
    assert {f"dlnotes.{package}.{name}" for name in module.__all__} <= documented()


def test_every_name_of_the_modules_in_the_readme_has_an_entry():
    rows = re.findall(r"^\| `dlnotes\.[^|]+\|", (ROOT / "README.md").read_text(), re.M)
    names = re.findall(r"`dlnotes\.(\w+)`", "".join(rows))
    assert len(names) > 5
    for name in set(names) - set(reference_pages.PACKAGES):
        module = importlib.import_module(f"dlnotes.{name}")
        own = {
            f"dlnotes.{name}.{key}"
            for key, value in vars(module).items()
            if not key.startswith("_")
            and (inspect.isfunction(value) or inspect.isclass(value))
            and value.__module__ == module.__name__
        }
        assert own and own <= documented()


def test_what_a_recipe_uses_has_an_entry():
    found = documented()
    for recipe in RECIPES:
        for name in recipe.fields["Uses"].split(","):
            assert name.strip() in found, f"{recipe.name} uses {name}"


def test_docstrings_become_fields():
    lines = [
        "One line.",
        "",
        "Reference: Somebody 2017, see",
        "[the paper](https://example.org/1).",
        "",
        "Input shape:",
        "    `(batch, units)`.",
        "",
        "Reference:",
        "",
        "- notes 001:1",
        "",
        "Example:",
        "",
        ">>> 1",
        "1",
    ]
    reference_pages.mend_docstring(None, "function", "name", None, None, lines)
    text = "\n".join(lines)
    assert ":Reference:\n    Somebody 2017, see\n    `the paper <https://example.org/1>`__." in text
    assert ":Input shape:\n    `(batch, units)`." in text
    assert ":Reference:\n    - notes 001:1" in text
    assert ".. rubric:: Example\n\n>>> 1\n1" in text


def test_the_build_is_one_command_that_ci_runs():
    readme, script = (ROOT / "README.md").read_text(), (ROOT / ".ci" / "run").read_text()
    begin = '.venv/bin/pip install -q -e ".[docs]"'
    commands = re.findall(rf"^{re.escape(begin)} && .*sphinx-build.*$", readme, re.M)
    assert len(commands) == 1 and commands[0].endswith(" docs site")
    assert "grep '^.venv/bin/pip install -q -e \"\\.\\[docs\\]\"' README.md" in script


# ---- the site as files


def missing(what):
    """Skips, unless a site was named: then the tests have to run."""
    if "DLNOTES_SITE" in os.environ:
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="module")
def site():
    if not (SITE / "index.html").is_file():
        missing(f"no gallery is built in {SITE.name}/: the README has the command")
    return SITE


class Page(HTMLParser):
    """What a test asks of a page."""

    def __init__(self, path):
        super().__init__()
        self.language, self.title, self.headings, self.alternatives, self.loads = "", "", [], [], []
        self._open = None
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self._open = tag
        if tag == "html":
            self.language = values.get("lang")
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "img":
            self.alternatives.append(values.get("alt") or "")
        if tag in ("img", "script", "iframe", "source") and values.get("src"):
            self.loads.append(values["src"])
        if tag == "link":
            self.loads.append(values.get("href", ""))

    def handle_data(self, text):
        if self._open == "title":
            self.title, self._open = text, None


def test_every_page_can_be_read_aloud_and_loads_nothing_from_elsewhere(site):
    pages = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    assert len(pages) > len(RECIPES)
    for path in pages:
        page = Page(path)
        assert page.language == "en", path
        assert page.title.strip(), path
        assert all(text.strip() for text in page.alternatives), path
        assert not [where for where in page.loads if re.match(r"(https?:)?//", where)], path
        if path.name != "search.html":
            levels = page.headings
            assert levels.count(1) == 1 and levels[0] == 1, path
            steps = itertools.pairwise(levels)
            assert all(after <= before + 1 for before, after in steps), path


# ---- the site in a browser


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def copyfile(self, source, outputfile):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            super().copyfile(source, outputfile)


@pytest.fixture(scope="module")
def address(site):
    handler = functools.partial(Quiet, directory=site)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="module")
def browser(site):
    executable = shutil.which("chromium")
    if executable is None:
        missing("no browser is installed: apt-get install chromium")
    if importlib.util.find_spec("playwright") is None:
        missing("playwright is not installed: pip install -e '.[docs]'")
    from playwright.sync_api import sync_playwright

    arguments = (
        "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
        "--disable-background-networking --disable-component-update"
    )
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=arguments.split())
        yield browser
        browser.close()


@pytest.fixture(params=[1280], ids=lambda width: f"{width}px")
def page(request, browser, address):
    """A page of the site that may neither complain nor ask another host."""
    context = browser.new_context(viewport={"width": request.param, "height": 900})
    page, wrong = context.new_page(), []

    def on_request(asked):
        if not asked.url.startswith((address, "data:", "blob:")):
            wrong.append(f"leaves the machine: {asked.url}")

    def on_response(answer):
        if answer.status >= 400:
            wrong.append(f"{answer.status}: {answer.url}")

    def on_console(said):
        if said.type in ("error", "warning"):
            wrong.append(said.text)

    page.on("request", on_request)
    page.on("response", on_response)
    page.on("console", on_console)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(address)
    yield page
    context.close()
    assert wrong == []


@pytest.mark.slow
def test_the_front_page_lists_every_recipe_on_disk(page):
    links = page.locator("article a[href*='recipes/']").evaluate_all(
        "links => links.map(link => link.getAttribute('href'))"
    )
    assert {f"recipes/{name}.html" for name in NAMES} == set(links)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=NAMES)
def test_search_finds_a_recipe(page, recipe):
    page.get_by_label("Search recipes, claims and reference").fill(recipe.title.split(":")[0])
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html*")
    page.locator(f"#search-results a[href*='recipes/{recipe.name}.html']").first.wait_for()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=NAMES)
def test_a_recipe_shows_its_figures_its_results_and_its_verdicts(page, address, recipe):
    page.goto(f"{address}recipes/{recipe.name}.html")
    recorded = results.read(recipe)
    for alt in recorded["figures"].values() if recorded else []:
        figure = page.get_by_alt_text(alt, exact=True).first
        figure.scroll_into_view_if_needed()
        assert figure.evaluate("image => image.complete && image.naturalWidth > 200")
    text = page.locator("article").inner_text()
    for line in recorded["summary"] if recorded else []:
        assert line["variant"] in text
    entry = gallery_pages.Entry(recipe, recorded, verdicts.recorded(recipe))
    for one in entry.judged:
        card = page.locator(f"#claim-{one['id'].replace('_', '-')}")
        if not card.inner_text():
            card = card.locator("xpath=following::div[1]")
        assert one["verdict"] in card.inner_text()
    if entry.claims is None:
        assert ("say nothing of it" if entry.says_nothing else "not checked yet") in text


@pytest.mark.slow
def test_a_verdict_leads_to_its_claims(page):
    page.locator("article a[href*='claims.html#claims-not-shown']").click()
    page.wait_for_url("**/claims.html#claims-not-shown")
    assert "Not shown" in page.locator("h2", has_text="Not shown").inner_text()


@pytest.mark.slow
def test_the_downloaded_notebook_runs(page, address, tmp_path):
    import nbclient

    recorded = [found for recipe in RECIPES if (found := results.read(recipe))]
    quickest = min(recorded, key=lambda found: found["seconds"]["mean"])
    page.goto(f"{address}recipes/{quickest['recipe']}.html")
    with page.expect_download() as download:
        page.get_by_text("Download the notebook").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert path.name == f"{quickest['recipe']}.ipynb"
    book = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(book, timeout=600, resources={"metadata": {"path": tmp_path}}).execute()
    shown = "".join(
        str(output.get("data", "")) for cell in book.cells for output in cell.get("outputs", [])
    )
    for name, alt in quickest["figures"].items():
        assert alt.split(".")[0] in shown, name


@pytest.mark.slow
@pytest.mark.parametrize("page", [375], indirect=True)
def test_nothing_is_wider_than_a_phone(page, address, site):
    for path in sorted(site.rglob("*.html")):
        where = path.relative_to(site).as_posix()
        page.goto(address + where)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 375, f"{where} is {width} pixels wide"


@pytest.mark.slow
def test_light_and_dark(page):
    def background():
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    seen = set()
    for _ in range(3):
        page.locator("button.theme-toggle:visible").click()
        seen.add((page.evaluate("document.body.dataset.theme"), background()))
    assert {theme for theme, _ in seen} == {"auto", "light", "dark"}
    assert dict(seen)["light"] != dict(seen)["dark"]


@pytest.mark.slow
def test_the_keyboard_is_enough(page, address):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText").strip() == "Skip to content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('article') !== null")
    page.goto(f"{address}recipes/{NAMES[0]}.html")
    page.locator("details > summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("details").first.evaluate("box => box.open")


@pytest.mark.slow
@pytest.mark.parametrize("page", [375], indirect=True)
def test_what_scrolls_and_the_drawers_of_a_phone_have_keys(page, address):
    menu = page.get_by_role("button", name="Navigation")
    menu.focus()
    page.keyboard.press("Enter")
    page.locator(".sidebar-tree a").first.wait_for(state="visible")
    page.goto(f"{address}recipes/{NAMES[0]}.html")
    box = page.locator(".table-wrapper[tabindex='0']").first
    box.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    assert box.evaluate("box => box.scrollLeft > 0")
