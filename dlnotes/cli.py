"""The one front door: `dlnotes list | show | run | tune | check | migrate | new | ...`."""

import builtins
import dataclasses
import inspect
import json
import keyword
import os
from pathlib import Path
import re
import sys
from typing import Annotated, Literal

import dlnotes
from dlnotes import catalogue, paths
from dlnotes.errors import InputError
import typer

PERSON_CAN_MEND = 2
NOT_AS_RECORDED = 1

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="A Keras cookbook that checks itself.",
)

Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
From = Annotated[
    Path | None,
    typer.Option("--from", help="best.json of a search: compare it with the recipe's own."),
]
Output = Annotated[Path, typer.Option(help="Folder for all runs.")]
TensorBoard = Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard logs.")]
Tuner = Annotated[
    Literal["random", "grid", "bayesian", "hyperband"] | None,
    typer.Option(help="Who chooses the hyper-parameters (default random)."),
]
Trials = Annotated[int | None, typer.Option(min=1, help="Number of trials at most (default 20).")]
Objective = Annotated[
    str | None, typer.Option(help="What is best: a metric, as in the training history.")
]
Folds = Annotated[int | None, typer.Option(min=2, help="Judge each trial by so many folds.")]
Repeats = Annotated[
    int | None,
    typer.Option(min=0, help="Train the best three again with so many seeds (default 2)."),
]
Workers = Annotated[
    int | None, typer.Option(min=0, help="Search in so many processes (default 1).")
]
Listen = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="Let workers of other machines come here.")
]
Hours = Annotated[float | None, typer.Option(help="Stop after so many hours; --resume goes on.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the last search.")]
Again = Annotated[
    int | None, typer.Option(min=0, help="Run one trial of the last search again, alone.")
]
Processes = Annotated[
    int | None, typer.Option(help="Share every training among so many processes.")
]
Coordinator = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Several machines: an address of that of rank 0."),
]
Rank = Annotated[
    int | None, typer.Option(help="Several machines: the process to start here, from 0 on.")
]
Seeds = Annotated[int, typer.Option(min=1, help="Number of seeds, from 0 on.")]


def main(run=None):
    """Runs the command line, or one recipe from its own file or notebook.

    In a notebook the recipe runs with its default options, and shows its report.

    Args:
        run: The recipe's `run` function, when the recipe is executed as a script. Defaults to
            `None`: the first word of the command line says what to do.
    """
    if run is not None and hasattr(builtins, "__IPYTHON__"):
        from dlnotes import runs

        runs.settle()
        return run().display()
    arguments = sys.argv[1:]
    if run is not None:
        arguments = ["run", run.__code__.co_filename, *arguments]
    sys.exit(execute(arguments))


def execute(arguments):
    """Executes one command line.

    Args:
        arguments: List of strings, without the program's name.

    Returns:
        Integer, the exit code: 0, 2 for what the person can mend, 130 after Ctrl-C.
    """
    words = arguments
    try:
        names_a_recipe = len(arguments) > 1 and not arguments[1].startswith("-")
        goes_on = arguments[:1] == ["run"] and any(w.startswith("--resume") for w in arguments)
        if arguments == ["list"]:
            command, program = _list_all, "dlnotes"
        elif names_a_recipe and arguments[0] in RECIPE_COMMANDS and not goes_on:
            verb, name, *arguments = arguments
            recipe = catalogue.find(name)
            command, program = _recipe_command(verb, recipe), f"dlnotes {verb} {recipe.name}"
        else:
            command, program = app, "dlnotes"
        code = command(arguments, standalone_mode=False, prog_name=program) or 0
        sys.stdout.flush()
        return code
    except typer.TyperException as error:
        return _complain(f"{error.format_message().rstrip('.')}{_given(error, words)}.")
    except InputError as error:
        return _complain(str(error))
    except (typer.Abort, KeyboardInterrupt):
        print("Stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _list_all(*_, **__):
    """The plain list without the parser, which takes longer than everything else in it."""
    return list_recipes()


def _given(error, words):
    """What the person gave for the option that a message names."""
    flag = re.search(r"Invalid value for '(--[\w-]+)'", error.format_message())
    if flag and flag[1] in words[:-1]:
        return f"; it was given {words[words.index(flag[1]) + 1]!r}"
    return ""


def _complain(message):
    print(f"dlnotes: {' '.join(message.split())}", file=sys.stderr)
    return PERSON_CAN_MEND


def _version(wanted: bool):
    if wanted:
        print(f"dlnotes {dlnotes.__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
):
    pass


@app.command("list")
def list_recipes(
    family: Annotated[str | None, typer.Option(help="Only this family.")] = None,
    stale: Annotated[
        bool,
        typer.Option("--stale", help="Only those whose code changed since they were recorded."),
    ] = False,
    as_json: AsJson = False,
):
    """List the recipes."""
    found = catalogue.recipes()
    families = sorted({recipe.family for recipe in found})
    if family is not None and family not in families:
        raise InputError(f"There is no family {family!r}. The families: {', '.join(families)}.")
    found = [recipe for recipe in found if family in (None, recipe.family)]
    if stale:
        from dlnotes import checks, results

        found = [r for r in found if results.is_stale(r) or checks.is_stale(r)]
    if as_json:
        values = [
            {"name": r.name, "family": r.family, "title": r.title, "covers": r.covers}
            | {"summary": r.summary, "path": str(r.path)}
            for r in found
        ]
        print(json.dumps(values, indent=2))
        return
    width = max((len(recipe.name) for recipe in found), default=0)
    for name in sorted({recipe.family for recipe in found}):
        print(name)
        for recipe in found:
            if recipe.family == name:
                print(f"  {recipe.name.ljust(width)}  {recipe.title}")


@app.command()
def show(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe.")],
    as_json: AsJson = False,
):
    """Show what a recipe is about, and its options."""
    from dlnotes import verdicts

    found = catalogue.find(recipe)
    numbers = verdicts.counts(found)
    if as_json:
        values = {
            "name": found.name,
            "family": found.family,
            "title": found.title,
            "summary": found.summary,
            "covers": found.covers,
            "questions": found.questions,
            "fields": found.fields,
            "path": str(found.path),
            "claims": numbers,
            "options": [
                {"name": o.name, "type": o.type.__name__, "default": o.default, "help": o.help}
                for o in found.options
            ],
        }
        print(json.dumps(values, indent=2))
        return
    print(f"{found.family}/{found.name}: {found.title}\n\n{found.summary}\n")
    for name, text in (found.questions | found.fields).items():
        print(f"{name + ':':<15}{text}")
    if numbers:
        print(f"{'Claims:':<15}{verdicts.counted(numbers)} (`dlnotes check {found.name}`)")
    if found.search_path.is_file():
        print(f"{'Search:':<15}`dlnotes tune {found.name}`")
    print(f"{'File:':<15}{found.path}\n\nOptions of `dlnotes run {found.name}`:")
    width = max(len(option.flag) for option in found.options)
    for option in found.options:
        kind = "|".join(map(str, option.choices)) or option.type.__name__
        default = "" if option.default is None else f" (default {option.default})"
        print(f"  {option.flag.ljust(width)}  {kind:<6} {option.help}{default}")


@app.command("run")
def run_help(
    recipe: Annotated[
        str | None, typer.Argument(help="Name of a recipe, or path of its file.")
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Go on with an interrupted run: its folder, or `last`."),
    ] = None,
    output: Output = Path("runs"),
    as_json: AsJson = False,
    quiet: Quiet = False,
    processes: Processes = None,
    coordinator: Coordinator = None,
    rank: Rank = None,
):
    """Run a recipe: `dlnotes run RECIPE --help` shows its options."""
    if resume is None:
        raise InputError("Missing argument 'recipe'. Give one, or --resume with a run.")
    from dlnotes import runs
    from dlnotes.distributed import command, member

    recipe = recipe and catalogue.find(recipe)
    if (processes, coordinator, rank) != (None, None, None):
        options = {"output": output, "as_json": as_json, "quiet": quiet}
        raise typer.Exit(command.resume(resume, recipe, options, processes, coordinator, rank))
    with member.together():
        outcome = runs.resume(resume, output=output, recipe=recipe, quiet=quiet or as_json)
    raise typer.Exit(_tell(outcome, as_json))


@app.command("tune")
def tune_help(
    recipe: Annotated[str | None, typer.Argument(help="Name of a recipe.")] = None,
    join: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Work for a search on another machine."),
    ] = None,
):
    """Search a recipe's hyper-parameters: `dlnotes tune RECIPE --help` shows its options."""
    if join is None:
        raise InputError("Give the name of a recipe, or the address of a search with --join.")
    from dlnotes.tuning import workers

    raise typer.Exit(workers.join(join))


@app.command("record")
def record_help(recipe: Annotated[str, typer.Argument(help="Name of a recipe.")]):
    """Run a recipe over seeds and record mean and spread beside it."""


def _run(recipe, arguments, processes, coordinator, rank, **options):
    from dlnotes import runs
    from dlnotes.distributed import command, member

    if (processes, coordinator, rank) != (None, None, None):
        return command.run(recipe, arguments, options, processes, coordinator, rank)
    best, as_json = options.pop("best"), options.pop("as_json")
    if best is not None:
        from dlnotes.tuning import compare

        arguments = compare.seed_alone(recipe, arguments)
        recipe = compare.tuned(recipe, best)
    with member.together():
        if member.follows():
            return member.follow(recipe, arguments)
        options["quiet"] = options["quiet"] or as_json
        outcome = runs.run(recipe, arguments, **options)
    return _tell(outcome, as_json)


def _tell(outcome, as_json):
    from dlnotes import runs

    print(runs.as_json(outcome) if as_json and outcome.report else runs.story(outcome))
    return runs.INTERRUPTED if outcome.interrupted else 0


def _tune(
    recipe, options, quiet, as_json, output, resume, again, workers, listen, limit_hours, **settings
):
    from dlnotes.tuning import command

    if again is not None:
        return command.again(recipe, again, output)
    return command.tune(
        recipe,
        options,
        settings,
        output=output,
        quiet=quiet,
        as_json=as_json,
        resume=resume,
        workers=workers,
        listen=listen,
        limit=limit_hours,
    )


def _record(recipe, arguments, seeds, quiet):
    from dlnotes import results, runs

    with runs.progress_for(recipe, quiet) as progress:
        path = results.record(recipe, seeds, arguments, progress)
    print(f"recorded in {path}; now `dlnotes index` renews the tables")
    return 0


RUN_OPTIONS = {
    "output": (Output, Path("runs")),
    "quiet": (Quiet, False),
    "tensorboard": (TensorBoard, False),
    "as_json": (AsJson, False),
    "best": (From, None),
    "processes": (Processes, None),
    "coordinator": (Coordinator, None),
    "rank": (Rank, None),
}
RECORD_OPTIONS = {"seeds": (Seeds, 10), "quiet": (Quiet, False)}
TUNE_OPTIONS = {
    "tuner": (Tuner, None),
    "trials": (Trials, None),
    "objective": (Objective, None),
    "folds": (Folds, None),
    "repeats": (Repeats, None),
    "workers": (Workers, None),
    "listen": (Listen, None),
    "limit_hours": (Hours, None),
    "resume": (Resume, False),
    "again": (Again, None),
    "output": (Output, Path("runs")),
    "quiet": (Quiet, False),
    "as_json": (AsJson, False),
}
RECIPE_COMMANDS = {
    "run": (_run, RUN_OPTIONS),
    "record": (_record, RECORD_OPTIONS),
    "tune": (_tune, TUNE_OPTIONS),
}


def _recipe_command(verb, recipe):
    """A command whose options are those of the recipe, or of its search, and those of the verb."""
    execute_verb, verb_options = RECIPE_COMMANDS[verb]
    options = recipe.options
    if verb == "tune":
        options = [_without_default(option) for option in recipe.search_options()]

    def command(**values):
        own = {option.name: values.pop(option.name) for option in options}
        return execute_verb(recipe, own, **values)

    parameters = [_parameter(option) for option in options]
    for name, (annotation, default) in verb_options.items():
        parameters.append(
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
            )
        )
    command.__signature__ = inspect.Signature(parameters)
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__doc__ = f"{recipe.title}.\n\n{recipe.summary}"
    one = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    one.command(f"{verb} {recipe.name}")(command)
    return one


def _without_default(option):
    """An option that is `None` where the person gives none: a resumed search has its own."""
    text = option.help if option.default is None else f"{option.help} (default {option.default})"
    return dataclasses.replace(option, optional=True, default=None, help=text)


def _parameter(option):
    kind = Literal[option.choices] if option.choices else option.type
    if option.optional:
        kind = kind | None
    text = option.help
    if option.choices:
        text += f" One of {', '.join(map(str, option.choices))}."
    flags = [option.flag]
    if option.type is bool:
        flags = [f"{option.flag}/{option.flag.replace('--', '--no-', 1)}"]
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=option.default,
        annotation=Annotated[kind, typer.Option(*flags, help=text)],
    )


@app.command()
def check(
    recipes: Annotated[
        list[str] | None, typer.Argument(help="Names of recipes; without any, all of them.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Number of seeds; each claim has its own default.")
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Only what needs no seeds.")] = False,
    write: Annotated[
        bool, typer.Option("--record", help="Record the verdicts beside the recipe.")
    ] = False,
    as_json: AsJson = False,
    output: Output = Path("runs"),
    quiet: Quiet = False,
):
    """Check what the notes claim: a verdict for each statement."""
    from dlnotes import checks, runs

    if write and exact:
        raise InputError("--record takes all claims of a recipe: leave out --exact.")
    chosen = [catalogue.find(name) for name in recipes or []]
    for recipe in chosen:
        if not recipe.claims_path.is_file():
            raise InputError(f"{recipe.name} has no claims: there is no {recipe.claims_path}.")
    results = []
    for recipe in chosen or [r for r in catalogue.recipes() if r.claims_path.is_file()]:
        try:
            with runs.progress_for(recipe, quiet or as_json, "run") as progress:
                checked = checks.check(
                    recipe, seeds=seeds, exact=exact, output=output, progress=progress
                )
        except KeyboardInterrupt:
            print(
                f"Stopped. Runs that have ended are kept in {output / 'check'}: the same command "
                "goes on from there.",
                file=sys.stderr,
            )
            raise typer.Exit(runs.INTERRUPTED) from None
        results += checked.results
        if write:
            path = checks.record(checked)
            print(f"recorded in {path}; now `dlnotes index` renews the tables", file=sys.stderr)
    print(json.dumps(results, indent=2) if as_json else checks.story(results))
    failed = any(result["verdict"] == checks.FAILED for result in results)
    if failed or any(checks.differs_from_record(result) for result in results):
        raise typer.Exit(NOT_AS_RECORDED)


@app.command()
def new(place: Annotated[str, typer.Argument(help="family/topic, such as recurrent/my_topic.")]):
    """Write a new recipe that runs and passes its tests as it stands."""
    from dlnotes import shelf

    family, _, topic = place.removesuffix(".py").partition("/")
    for word in (family, topic):
        if not word.isidentifier() or keyword.iskeyword(word) or word != word.lower():
            raise InputError(
                f"{place!r} is no place for a recipe. Give a family and a topic in lower case, "
                "with underscores between words, such as recurrent/my_topic."
            )
    checkout = paths.in_checkout()
    folder = paths.recipes_folder() if checkout else Path.cwd() / "recipes"
    taken = [recipe.path for recipe in catalogue.recipes(folder) if recipe.name == topic]
    path = folder / family / f"{topic}.py"
    if taken or path.exists():
        raise InputError(f"There is a recipe {topic!r} already: {(taken or [path])[0]}.")
    text = (paths.PACKAGE / "_template.py").read_text(encoding="utf-8")
    text = text.replace("TITLE", topic.replace("_", " ").capitalize()).replace("TOPIC", topic)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not (path.parent / "README.md").exists():
            shelf.new_family_page(path.parent / "README.md")
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"Cannot write {path} ({error.strerror}).") from error
    print(f"written: {path}")
    if checkout:
        for page in shelf.index(paths.recipes_folder().parent):
            print(f"renewed: {page}")
        print(f"Next: change it, `dlnotes run {topic}`, `pytest -k {topic}`.")
    else:
        print(f"Next: change it, `dlnotes run {path.relative_to(Path.cwd())}`.")


@app.command()
def index():
    """Renew the generated tables of the README and of the families."""
    if not paths.in_checkout():
        raise InputError(
            "`dlnotes index` renews the pages of a checkout; this is an installed copy."
        )
    from dlnotes import shelf

    changed = shelf.index(paths.recipes_folder().parent)
    for path in changed:
        print(f"renewed: {path}")
    if not changed:
        print("every table is up to date")


@app.command("migrate")
def migrate_files(
    files: Annotated[list[Path], typer.Argument(help="Python scripts and notebooks (.ipynb).")],
    as_json: AsJson = False,
):
    """Say which Keras 2 lines fail on Keras 3, and what to write: exit code 1 if there are any."""
    from dlnotes import migrate

    raise typer.Exit(migrate.command(files, as_json))


if __name__ == "__main__":
    main()
