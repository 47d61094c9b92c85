"""Finds Keras 2 idioms in Python source: parses it, follows the names, never runs it.

What a name stands for is followed through imports, aliases, assignments, calls of functions of the
same file and attributes of its classes, so that `lr=` counts only in the call of a Keras optimizer
and `reset_states` only on a model. What stays unknown is not reported.
"""

import ast
import builtins
from dataclasses import dataclass, field, replace

from dlnotes.idioms import IDIOMS, Attribute, Keyword, Name, Rule, Suffix

BY_RULE = {row.pattern.name: row for row in IDIOMS if isinstance(row.pattern, Rule)}
BY_ID = {row.id: row for row in IDIOMS}
BY_NAME = {
    name: (row, target)
    for row in IDIOMS
    if isinstance(row.pattern, Name)
    for name, target in row.pattern.names.items()
}
KEYWORDS = [row for row in IDIOMS if isinstance(row.pattern, Keyword)]
ATTRIBUTES = [row for row in IDIOMS if isinstance(row.pattern, Attribute)]
SUFFIXES = [row for row in IDIOMS if isinstance(row.pattern, Suffix)]

MODEL_MAKERS = {
    "keras.models.load_model",
    "keras.models.model_from_json",
    "keras.models.model_from_yaml",
    "keras.models.clone_model",
    "keras.saving.load_model",
    "keras.utils.multi_gpu_model",
}
NOISY = ("Dropout", "SpatialDropout", "GaussianDropout", "GaussianNoise", "AlphaDropout")
RECURRENT = ("LSTM", "GRU", "SimpleRNN")
OTHER_LIBRARIES = {
    "catboost",
    "lightgbm",
    "numpy",
    "pandas",
    "scipy",
    "sklearn",
    "statsmodels",
    "tf_keras",
    "torch",
    "transformers",
    "xgboost",
}
LIKE_PREDICT_PROBA = {"catboost", "lightgbm", "sklearn", "xgboost"}
ONLY_IN_KERAS = {
    "reset_states",
    "predict_classes",
    "predict_proba",
    "fit_generator",
    "evaluate_generator",
    "predict_generator",
}
KNOWS_KERAS_TENSORS = {"tf.is_tensor", "tf.print"}
ELEMENTS = {"layers": "layer", "metrics": "metric", "enumerated layers": "numbered layers"}


@dataclass(frozen=True)
class Finding:
    """One place where an idiom stands."""

    line: int
    old: str
    new: str
    why: str
    effect: str
    id: str


@dataclass(frozen=True)
class Path:
    """A name that was imported, by its full dotted path."""

    dotted: str

    @property
    def api(self):
        """The path below `keras`, whether it came from `keras` or from `tf.keras`."""
        return self.dotted.removeprefix("tf.") if self.is_in_tf_keras else self.dotted

    @property
    def is_in_tf_keras(self):
        return self.dotted == "tf.keras" or self.dotted.startswith("tf.keras.")

    @property
    def canonical(self):
        """The path as Keras 3 would spell it, without the old modules in between."""
        parts = self.api.split(".")
        if parts[0] != "keras" or len(parts) == 1 or "schedules" in parts:
            return self.api
        if parts[-1] in {"Model", "Sequential", "Input", "Layer"}:
            return f"keras.{parts[-1]}"
        return f"keras.{parts[1]}.{parts[-1]}"


@dataclass(frozen=True)
class Thing:
    """A value of which the kind is known: a model, a layer, a symbolic tensor, ..."""

    kind: str
    path: str = ""
    owner: str = ""
    outputs: int = 1
    defined_by: ast.ClassDef | None = None
    is_self: bool = False


@dataclass(frozen=True)
class Text:
    """A string that is written in the file."""

    text: str


@dataclass(frozen=True)
class Several:
    """A list, tuple or dictionary that is written in the file."""

    values: tuple


@dataclass(frozen=True)
class Function:
    """A function of the file."""

    node: ast.FunctionDef
    method: bool = False


@dataclass(frozen=True)
class Class:
    """A class of the file, and the kind of its instances."""

    node: ast.ClassDef
    kind: str


@dataclass(frozen=True)
class Event:
    """Something that happens to a model, in the order of the file."""

    what: str
    key: str
    scope: object
    node: ast.AST
    value: bool | None = None
    owner: str = ""
    is_parameter: bool = False


@dataclass
class Memory:
    """What the first reading of a file leaves for the second one."""

    module: dict = field(default_factory=dict)
    parameters: dict = field(default_factory=dict)
    returns: dict = field(default_factory=dict)
    attributes: dict = field(default_factory=dict)
    packages: set = field(default_factory=set)
    metrics: set = field(default_factory=set)
    called: set = field(default_factory=set)
    events: list = field(default_factory=list)
    has_lambda_layer: bool = False
    allows_unsafe: bool = False


class Scope:
    """The names of a module or of a function."""

    def __init__(self, parent=None, node=None):
        self.parent = parent
        self.node = node
        self.names = {}
        self.stars = []
        self.parameters = set()
        self.class_method = parent.class_method if parent else None

    def find(self, name):
        """The scope that binds the name, or `None`."""
        scope = self
        while scope is not None and name not in scope.names:
            scope = scope.parent
        return scope

    @property
    def module(self):
        return self if self.parent is None else self.parent.module


def scan(tree):
    """Finds the idioms of a module.

    Args:
        tree: An `ast.Module`.

    Returns:
        List of `Finding`, in the order of the lines.

    Example:

    >>> import ast
    >>> from dlnotes.scanner import scan
    >>> source = "from keras.optimizers import Adam\\noptimizer = Adam(lr=0.01)"
    >>> [(found.line, found.new) for found in scan(ast.parse(source))]
    [(2, 'Adam(learning_rate=0.01)')]
    """
    memory = Memory()
    for _ in range(2):
        reader = _Reader(memory)
        reader.read(tree)
        memory = reader.left
    last = _Reader(memory)
    last.read(tree)
    last.judge_events()
    return sorted(last.findings.values(), key=lambda found: (found.line, found.id, found.old))


def _join(values):
    """What several values have in common."""
    known = [value for value in values if value is not None]
    if not known or len({getattr(value, "kind", type(value)) for value in known}) > 1:
        return None
    return known[0]


def _bare(node):
    return " ".join(ast.unparse(node).split())


def _last_name(node):
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _keyword(call, name):
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _argument(call, position, name):
    if len(call.args) > position:
        return call.args[position]
    return _keyword(call, name)


def _constant(node):
    return node.value if isinstance(node, ast.Constant) else None


def _is_number(node):
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    return isinstance(_constant(node), int | float) and not isinstance(node.value, bool)


class _Reader:
    """Reads a module once, from top to bottom."""

    def __init__(self, memory):
        self.memory = memory
        self.left = Memory()
        self.findings = {}
        self.seen = {}
        self.scope = Scope()
        self.guarded = False

    def read(self, tree):
        self.block(tree.body)
        self.left.module = self.scope.names

    # ------------------------------------------------------------------- reporting

    def report(self, row, node, old=None, new=None, line=None):
        line = line or node.lineno
        old = old or _bare(node)
        found = Finding(line, old, new or row.new, row.why, row.effect, row.id)
        self.findings[line, row.id, old] = found

    def report_path(self, path, node, line=None, statement=""):
        """Reports a dotted name of the table, in an import or in use."""
        row, target, rest = self.match(path)
        if row is None or (row.pattern.plain and path.is_in_tf_keras):
            return
        new = target and target + rest
        same_last_name = new and new.rpartition(".")[2] == path.dotted.rpartition(".")[2]
        if isinstance(node, ast.Name) and same_last_name:
            return
        if statement and new:
            module, _, name = new.rpartition(".")
            new = f"from {module} import {name}" if module else f"import {new}"
        self.report(row, node, old=statement, new=new, line=line or node.end_lineno)

    def match(self, path):
        parts = path.api.split(".")
        for count in range(len(parts), 0, -1):
            prefix, rest = ".".join(parts[:count]), "".join(f".{part}" for part in parts[count:])
            found = BY_NAME.get(f"{prefix}.*") if rest else None
            found = found or BY_NAME.get(prefix)
            if found:
                return (*found, rest)
        return None, None, ""

    # ------------------------------------------------------------------ statements

    def block(self, statements):
        for statement in statements:
            self.statement(statement)

    def statement(self, node):
        handler = getattr(self, f"on_{type(node).__name__}", None)
        if handler:
            handler(node)
            return
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                self.statement(child)
            elif isinstance(child, ast.expr):
                self.value(child)
            else:
                self.statement(child)

    def on_Import(self, node):  # noqa: N802
        for alias in node.names:
            path = _path(alias.name)
            self.left.packages.add(alias.name.partition(".")[0])
            if not self.guarded:
                self.report_path(path, alias, alias.lineno, f"import {alias.name}")
            if alias.asname:
                self.bind(alias.asname, path)
            else:
                self.bind(alias.name.partition(".")[0], _path(alias.name.partition(".")[0]))

    def on_ImportFrom(self, node):  # noqa: N802
        module = "." * node.level + (node.module or "")
        self.left.packages.add(module.partition(".")[0])
        for alias in node.names:
            if alias.name == "*":
                self.report_star(node, module)
                continue
            path = _path(f"{module}.{alias.name}")
            if alias.name == "keras" and path.dotted.partition(".")[0] != "tf":
                path = Path("keras")
            if not self.guarded:
                statement = f"from {module} import {alias.name}"
                self.report_path(path, alias, alias.lineno, statement)
            known = not (self.guarded and self.match(path)[0])
            self.bind(alias.asname or alias.name, path if known else None)

    def report_star(self, node, module):
        path = _path(module)
        self.scope.stars.append(path.dotted)
        if not self.guarded:
            self.report_path(Path(f"{path.dotted}.*"), node, node.lineno, f"from {module} import *")

    def on_Try(self, node):  # noqa: N802
        caught = {_last_name(part) for h in node.handlers for part in _types(h.type)}
        guards = {"ImportError", "ModuleNotFoundError", "Exception", "AttributeError", ""}
        before, self.guarded = self.guarded, self.guarded or bool(caught & guards)
        self.block(node.body)
        self.guarded = before
        for handler in node.handlers:
            self.block(handler.body)
        self.block(node.orelse)
        self.block(node.finalbody)

    def on_FunctionDef(self, node):  # noqa: N802
        for decorator in node.decorator_list:
            self.value(decorator)
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            if default is not None:
                self.value(default)
        self.bind(node.name, Function(node))
        self.body(node, Scope(self.scope, node))

    on_AsyncFunctionDef = on_FunctionDef  # noqa: N815

    def body(self, node, scope, own=None):
        """Reads the body of a function; `own` is what its first parameter stands for."""
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        given = self.memory.parameters.get(node, {})
        for index, argument in enumerate(arguments):
            value = own if index == 0 and own else _join(given.get(argument.arg, []))
            scope.names[argument.arg] = value
            scope.parameters.add(argument.arg)
        for argument in (node.args.vararg, node.args.kwarg):
            if argument:
                scope.names[argument.arg] = None
        if own and own.kind == "callback" and "logs" in scope.names:
            scope.names["logs"] = Thing("logs")
        outer, self.scope = self.scope, scope
        self.block(node.body)
        self.scope = outer

    def on_ClassDef(self, node):  # noqa: N802
        bases = [self.value(base) for base in node.bases]
        for keyword in node.keywords:
            self.value(keyword.value)
        kind = next(filter(None, map(_kind_of_base, bases)), "instance")
        self.bind(node.name, Class(node, kind))
        outer, self.scope = self.scope, Scope(self.scope, node)
        for statement in node.body:
            if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                self.statement(statement)
                continue
            for decorator in statement.decorator_list:
                self.value(decorator)
            scope = Scope(outer, statement)
            scope.class_method = statement.name
            static = "staticmethod" in {_last_name(d) for d in statement.decorator_list}
            own = None if static else Thing(kind, defined_by=node, is_self=True)
            self.body(statement, scope, own)
        self.scope = outer

    def on_Return(self, node):  # noqa: N802
        if node.value is not None:
            self.left.returns.setdefault(self.scope.node, []).append(self.value(node.value))

    def on_Assign(self, node):  # noqa: N802
        value = self.value(node.value)
        for target in node.targets:
            self.assign(target, value, node)

    def on_AnnAssign(self, node):  # noqa: N802
        if node.value is not None:
            self.assign(node.target, self.value(node.value), node)

    def on_AugAssign(self, node):  # noqa: N802
        self.value(node.value)
        self.assign(node.target, None, node)

    def on_For(self, node):  # noqa: N802
        self.assign(node.target, _element(self.value(node.iter)), node)
        self.block([*node.body, *node.orelse])

    on_AsyncFor = on_For  # noqa: N815

    def on_With(self, node):  # noqa: N802
        for item in node.items:
            value = self.value(item.context_expr)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, value, node)
        self.block(node.body)

    on_AsyncWith = on_With  # noqa: N815

    def bind(self, name, value):
        self.scope.names[name] = value

    def assign(self, target, value, statement):
        if isinstance(target, ast.Name):
            self.bind(target.id, value)
        elif isinstance(target, ast.Tuple | ast.List):
            values = value.values if isinstance(value, Several) else ()
            parts = values if len(values) == len(target.elts) else [None] * len(target.elts)
            if isinstance(value, Thing) and value.kind == "numbered layers":
                parts = [None, replace(value, kind="layer")]
            for element, part in zip(target.elts, parts, strict=False):
                self.assign(element, part, statement)
        elif isinstance(target, ast.Attribute):
            self.assign_attribute(target, value, statement)
        else:
            self.value(target)

    def assign_attribute(self, target, value, statement):
        thing = self.value(target.value)
        if not isinstance(thing, Thing):
            return
        if thing.is_self and thing.defined_by is not None:
            known = self.left.attributes.setdefault(thing.defined_by, {})
            known.setdefault(target.attr, []).append(value)
        if target.attr == "lr" and thing.kind == "optimizer":
            self.report(
                BY_RULE["lr_assigned"],
                target,
                old=_bare(statement),
                new=_bare(statement).replace(".lr", ".learning_rate", 1),
            )
        if target.attr == "trainable" and thing.kind in {"model", "layer"}:
            new = _constant(statement.value) if isinstance(statement, ast.Assign) else None
            self.event("trainable", target.value, statement, new, thing.owner)

    # ----------------------------------------------------------------- expressions

    def value(self, node, outermost=True):
        """What an expression stands for; reports what it finds on the way, once."""
        if node not in self.seen:
            handler = getattr(self, f"of_{type(node).__name__}", self.of_anything)
            self.seen[node] = handler(node)
        found = self.seen[node]
        if outermost and isinstance(found, Path) and isinstance(node, ast.Name | ast.Attribute):
            self.report_path(found, node)
            if found.canonical == "keras.activations.hard_sigmoid":
                self.report(BY_RULE["hard_sigmoid"], node)
        return found

    def of_anything(self, node):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.value(child)
            elif isinstance(child, ast.AST):
                self.of_anything(child)
        return None

    def of_Constant(self, node):  # noqa: N802
        return Text(node.value) if isinstance(node.value, str) else None

    def of_Name(self, node):  # noqa: N802
        scope = self.scope.find(node.id)
        if scope is not None:
            return scope.names[node.id]
        if self.scope.parent is not None and node.id in self.memory.module:
            return self.memory.module[node.id]
        stars = self.scope.module.stars
        if stars and not hasattr(builtins, node.id):
            return _from_star(stars, node.id)
        return None

    def of_Attribute(self, node):  # noqa: N802
        base = self.value(node.value, outermost=False)
        if isinstance(base, Path):
            return _path(f"{base.dotted}.{node.attr}")
        if isinstance(node.ctx, ast.Load):
            self.check_attribute(node, base)
        return self.member(node, base) if isinstance(base, Thing) else None

    def member(self, node, thing):
        """What an attribute of a known thing stands for."""
        name = node.attr
        if thing.defined_by is not None:
            known = self.memory.attributes.get(thing.defined_by, {})
            if name in known:
                return _join(known[name])
            method = next((m for m in _methods(thing.defined_by) if m.name == name), None)
            if method:
                return Function(method, method=True)
        key = _bare(node.value)
        kinds = {
            ("model", "layers"): Thing("layers", owner=key),
            ("model", "metrics"): Thing("metrics"),
            ("model", "optimizer"): Thing("optimizer"),
            ("model", "history"): Thing("history"),
            ("model", "input"): Thing("tensor"),
            ("model", "inputs"): Thing("tensor"),
            ("model", "output"): Thing("tensor"),
            ("model", "outputs"): Thing("tensor"),
            ("layer", "input"): Thing("tensor"),
            ("layer", "output"): Thing("tensor"),
            ("tensor", "shape"): Thing("shape"),
            ("history", "history"): Thing("records"),
            ("callback", "model"): Thing("model"),
        }
        return kinds.get((thing.kind, name))

    def of_Subscript(self, node):  # noqa: N802
        base = self.value(node.value)
        self.value(node.slice)
        if not isinstance(base, Thing):
            return None
        if base.kind in {"records", "logs"}:
            self.check_key(node.slice, node, base)
        if base.kind in {"layers", "metrics"}:
            return base if isinstance(node.slice, ast.Slice) else _element(base)
        return base if base.kind == "tensor" else None

    def of_List(self, node):  # noqa: N802
        return Several(tuple(self.value(element) for element in node.elts))

    of_Tuple = of_List  # noqa: N815

    def of_Dict(self, node):  # noqa: N802
        for key in node.keys:
            if key is not None:
                self.value(key)
        return Several(tuple(self.value(value) for value in node.values))

    def of_BinOp(self, node):  # noqa: N802
        sides = [self.value(node.left), self.value(node.right)]
        return next((side for side in sides if _is_tensor(side)), None)

    def of_IfExp(self, node):  # noqa: N802
        self.value(node.test)
        return _join([self.value(node.body), self.value(node.orelse)])

    def of_NamedExpr(self, node):  # noqa: N802
        value = self.value(node.value)
        self.bind(node.target.id, value)
        return value

    def of_Await(self, node):  # noqa: N802
        return self.value(node.value)

    def of_Starred(self, node):  # noqa: N802
        return self.value(node.value)

    def of_Lambda(self, node):  # noqa: N802
        outer, self.scope = self.scope, Scope(self.scope, node)
        for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
            self.bind(argument.arg, None)
        self.value(node.body)
        self.scope = outer

    def comprehension(self, node):
        outer, self.scope = self.scope, Scope(self.scope, self.scope.node)
        for generator in node.generators:
            self.assign(generator.target, _element(self.value(generator.iter)), node)
            for condition in generator.ifs:
                self.value(condition)
        for part in ("elt", "key", "value"):
            if hasattr(node, part):
                self.value(getattr(node, part))
        self.scope = outer

    of_ListComp = of_SetComp = of_GeneratorExp = of_DictComp = comprehension  # noqa: N815

    # ----------------------------------------------------------------------- calls

    def of_Call(self, node):  # noqa: N802
        function = self.value(node.func)
        arguments = [self.value(argument) for argument in node.args]
        named = {keyword.arg: self.value(keyword.value) for keyword in node.keywords}
        everything = [*arguments, *named.values()]
        if isinstance(function, Path):
            self.check_call_of_path(node, function, everything)
            return self.made_by(node, function, arguments, named)
        if isinstance(function, Class):
            return self.made_by_class(function, arguments, named)
        if isinstance(function, Function):
            self.remember_arguments(function.node, arguments, named, function.method)
            return _join(self.memory.returns.get(function.node, []))
        if isinstance(function, Thing):
            return self.called(node, function, everything)
        if isinstance(node.func, ast.Attribute):
            return self.method(node, self.value(node.func.value, outermost=False))
        if isinstance(node.func, ast.Name) and node.func.id in {"reversed", "list"}:
            return arguments[0] if arguments else None
        if isinstance(node.func, ast.Name) and node.func.id == "enumerate" and arguments:
            whole = arguments[0]
            if isinstance(whole, Thing) and whole.kind == "layers":
                return replace(whole, kind="enumerated layers")
        return None

    def remember_arguments(self, function, arguments, named, method):
        given = self.left.parameters.setdefault(function, {})
        names = [argument.arg for argument in [*function.args.posonlyargs, *function.args.args]]
        for name, value in [*zip(names[method:], arguments, strict=False), *named.items()]:
            given.setdefault(name, []).append(value)

    def made_by_class(self, made, arguments, named):
        initializer = next((m for m in _methods(made.node) if m.name == "__init__"), None)
        if initializer:
            self.remember_arguments(initializer, arguments, named, True)
        return Thing(made.kind, path=made.node.name, defined_by=made.node)

    def made_by(self, call, path, arguments, named):
        """What the call of an imported name returns."""
        canonical = path.canonical
        area, _, last = canonical.rpartition(".")
        if canonical == "keras.Input":
            return Thing("tensor")
        if canonical == "keras.Sequential":
            return Thing("model", path=canonical)
        if canonical == "keras.Model" and (arguments or named):
            outputs = arguments[1] if len(arguments) > 1 else named.get("outputs")
            count = len(outputs.values) if isinstance(outputs, Several) else 1
            return Thing("model", path=canonical, outputs=count)
        if canonical in MODEL_MAKERS or (area == "keras.applications" and last[:1].isupper()):
            return Thing("model", path=canonical)
        if area == "keras.layers" and last[:1].isupper():
            if last == "Lambda" and call.args and isinstance(call.args[0], ast.Lambda):
                self.left.has_lambda_layer = True
            return Thing("layer", path=canonical)
        if area == "keras.optimizers" and "schedules" not in canonical:
            return Thing("optimizer", path=canonical)
        if area == "keras.metrics" and last[:1].isupper():
            return Thing("metric", path=canonical)
        if area == "keras.callbacks":
            return Thing("history" if last == "History" else "callback", path=canonical)
        if area in {"keras.layers", "keras.ops"}:
            return Thing("tensor") if any(map(_is_tensor, [*arguments, *named.values()])) else None
        if canonical == "keras.config.enable_unsafe_deserialization":
            self.left.allows_unsafe = True
        if path.dotted.partition(".")[0] in OTHER_LIBRARIES:
            return Thing("other")
        return None

    def called(self, call, thing, everything):
        """A layer or a model is called on something."""
        if thing.kind not in {"layer", "model"}:
            return None
        on_tensor = any(map(_is_tensor, everything))
        if on_tensor and thing.kind == "model":
            self.left.called.add(_bare(call.func))
        self.check_baked_training(call, thing, on_tensor)
        return Thing("tensor") if on_tensor else None

    def method(self, call, thing):
        """The call of a method of something that is not known by name."""
        name = call.func.attr
        if isinstance(thing, Thing) and thing.kind in {"records", "logs"} and name == "get":
            if call.args:
                self.check_key(call.args[0], call, thing)
            return None
        if isinstance(thing, Thing) and thing.kind == "layers" and name == "pop":
            self.report(BY_RULE["layers_pop"], call, new=f"{thing.owner}.pop()")
        if isinstance(thing, Thing) and thing.kind == "layer" and name == "add_weight":
            self.check_weight_name(call)
        if self.is_model(thing, call.func.value):
            self.check_model_method(call, thing)
            if name in {"fit", "fit_generator"}:
                return Thing("history")
            if name == "get_layer":
                return Thing("layer", owner=_bare(call.func.value))
        return None

    def is_model(self, thing, node):
        """Whether something is a model, or an unknown value that is called so."""
        if isinstance(thing, Thing):
            return thing.kind == "model"
        named_so = _last_name(node).lower().endswith("model")
        return thing is None and named_so and self.uses_keras and "torch" not in self.packages

    @property
    def packages(self):
        return self.memory.packages | self.left.packages

    @property
    def uses_keras(self):
        return bool({"keras", "tensorflow"} & self.packages)

    # ---------------------------------------------------------------------- checks

    def check_attribute(self, node, base):
        kind = base.kind if isinstance(base, Thing) else None
        if kind is None and not (node.attr in ONLY_IN_KERAS and self.is_model(base, node.value)):
            return
        if kind is None and node.attr == "predict_proba" and self.packages & LIKE_PREDICT_PROBA:
            return
        if kind is not None and self.is_own(base, node.attr):
            return
        for row in ATTRIBUTES:
            names = row.pattern.names
            if node.attr in names and (kind or "model") in row.pattern.of:
                new = names[node.attr] and f"{_bare(node.value)}.{names[node.attr]}"
                self.report(row, node, new=new, line=node.end_lineno)
        is_sequential = kind == "model" and base.path == "keras.Sequential"
        if is_sequential and node.attr in {"input", "output"}:
            key = _bare(node.value)
            if key not in self.memory.called | self.left.called:
                self.report(BY_RULE["input_of_a_sequential"], node, new=f"{_bare(node)}s")

    def is_own(self, thing, name):
        """Whether the class of a thing, written in this file, defines the attribute itself."""
        if thing.defined_by is None:
            return False
        assigned = self.memory.attributes.get(thing.defined_by, {})
        in_body = {n.id for s in thing.defined_by.body for n in ast.walk(s) if _is_stored(n)}
        methods = {method.name for method in _methods(thing.defined_by)}
        return name in assigned or name in methods or name in in_body

    def check_call_of_path(self, call, path, everything):
        canonical = path.canonical
        area, _, last = canonical.rpartition(".")
        kinds = {canonical}
        if area == "keras.layers" and last[:1].isupper():
            kinds.add("layer")
        if area == "keras.optimizers" and "schedules" not in canonical:
            kinds.add("optimizer")
        self.check_keywords(call, kinds)
        self.check_suffix(call, canonical)
        if any(map(_is_tensor, everything)) and self.refuses_keras_tensors(path):
            self.report(BY_RULE["tensorflow_function_of_a_keras_tensor"], call)
        if canonical == "keras.Input" and _is_number(_argument(call, 0, "shape")):
            self.report(BY_RULE["input_shape_is_a_number"], call)
        if last == "Convolution2D" and len(call.args) >= 3 and all(map(_is_number, call.args[1:3])):
            self.report(BY_RULE["kernel_as_two_numbers"], call)
        if "layer" in kinds:
            self.check_activation(call, last)
        if "optimizer" in kinds:
            self.check_optimizer(call, path, last)
        if area == "keras.callbacks":
            self.check_monitor(call, last)
        if canonical.endswith(".load_model") and self.memory.has_lambda_layer:
            trusts = _keyword(call, "safe_mode") is not None or self.memory.allows_unsafe
            if not trusts:
                self.report(BY_RULE["load_model_with_lambda"], call)

    def refuses_keras_tensors(self, path):
        if path.is_in_tf_keras:
            row, _, _ = self.match(path)
            return row is not None and row.id == "backend-functions"
        return path.dotted.startswith("tf.") and path.dotted not in KNOWS_KERAS_TENSORS

    def check_keywords(self, call, kinds):
        given = {keyword.arg: keyword for keyword in call.keywords if keyword.arg}
        for row in KEYWORDS:
            if not kinds & set(row.pattern.of):
                continue
            for name in row.pattern.names.keys() & given.keys():
                value = _bare(given[name].value)
                if row.pattern.value in {None, value}:
                    function = _bare(call.func)
                    new = row.pattern.names[name]
                    self.report(
                        row,
                        given[name],
                        old=f"{function}({name}={value})",
                        new=new and f"{function}({new}={value})",
                    )

    def check_suffix(self, call, called):
        for row in SUFFIXES:
            if row.pattern.of != called or _keyword(call, "save_format") is not None:
                continue
            if row.pattern.flag:
                name, wanted = row.pattern.flag
                flag = _keyword(call, name)
                if (False if flag is None else _constant(flag)) is not wanted:
                    continue
            path = _argument(call, 0, "filepath")
            ending = self.ending(path)
            if ending and not ending.endswith(row.pattern.endings):
                self.report(row, path, old=_bare(call))

    def ending(self, node):
        """The written end of a file name, or an empty string where it is not known."""
        if isinstance(node, ast.JoinedStr):
            return self.ending(node.values[-1]) if node.values else ""
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self.ending(node.right)
        if isinstance(node, ast.Call) and _last_name(node.func) == "join" and node.args:
            return self.ending(node.args[-1])
        if isinstance(node, ast.Call) and _last_name(node.func) == "format":
            return self.ending(node.func.value)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            return self.ending(node.left)
        found = self.value(node) if isinstance(node, ast.Name | ast.Constant) else None
        text = found.text if isinstance(found, Text) else ""
        return "" if text.endswith("}") else text

    def check_activation(self, call, last):
        places = [_keyword(call, "activation"), _keyword(call, "recurrent_activation")]
        if last == "Activation":
            places.append(_argument(call, 0, "activation"))
        for place in places:
            if place is not None and _constant(place) == "hard_sigmoid":
                self.report(BY_RULE["hard_sigmoid"], place)

    def check_optimizer(self, call, path, last):
        clips = [_keyword(call, name) for name in ("clipnorm", "clipvalue", "global_clipnorm")]
        if sum(clip is not None for clip in clips) > 1:
            self.report(BY_RULE["two_ways_of_clipping"], call)
        fell = last in {"Adadelta", "Adagrad"} and not path.is_in_tf_keras
        rate = _argument(call, 0, "learning_rate") or _keyword(call, "lr")
        if fell and rate is None and not any(keyword.arg is None for keyword in call.keywords):
            self.report(BY_RULE["default_rate_that_fell"], call)

    def check_monitor(self, call, last):
        position = 1 if last == "ModelCheckpoint" else 0
        monitor = _argument(call, position, "monitor")
        if last not in {"ModelCheckpoint", "EarlyStopping", "ReduceLROnPlateau"}:
            return
        if _constant(monitor) in {"acc", "val_acc"} and self.calls_it_accuracy:
            new = _bare(call).replace("acc'", "accuracy'", 1)
            self.report(BY_RULE["monitor_acc"], monitor, old=_bare(call), new=new)

    @property
    def calls_it_accuracy(self):
        return "accuracy" in self.memory.metrics and "acc" not in self.memory.metrics

    def check_key(self, key, node, thing):
        if _constant(key) in {"acc", "val_acc"} and self.calls_it_accuracy:
            row = BY_RULE["history_key_acc" if thing.kind == "records" else "logs_key_acc"]
            self.report(row, node, new=_bare(node).replace("acc'", "accuracy'", 1))

    def check_weight_name(self, call):
        if call.args and isinstance(_constant(call.args[0]), str):
            new = _bare(call).replace("add_weight(", "add_weight(name=", 1)
            self.report(BY_RULE["weight_name_first"], call, new=new)

    def check_baked_training(self, call, thing, on_tensor):
        training = _constant(_keyword(call, "training"))
        last = thing.path.rpartition(".")[2]
        if training is True and thing.kind == "layer" and last.startswith((*NOISY, *RECURRENT)):
            built_here = isinstance(call.func, ast.Call) and self.scope.class_method is None
            if on_tensor or built_here:
                self.report(BY_RULE["baked_training_true"], call)
        if training is False and on_tensor and not thing.is_self:
            frozen = thing.kind == "model" and self.is_frozen(_bare(call.func))
            if (thing.kind == "model" or last == "BatchNormalization") and not frozen:
                self.report(BY_RULE["baked_training_false"], call)

    def is_frozen(self, key):
        """Whether a model is frozen somewhere and never thawed."""
        events = [e for e in self.memory.events if e.what == "trainable" and key in (e.key, e.owner)]
        return bool(events) and not any(event.value is not False for event in events)

    def check_model_method(self, call, thing):
        name = call.func.attr
        self.check_keywords(call, {f"model.{name}"})
        self.check_suffix(call, f"model.{name}")
        known = isinstance(thing, Thing)
        if name == "compile":
            self.check_compile(call)
        if name in {"compile", "fit", "fit_generator", "train_on_batch"}:
            self.event(name, call.func.value, call)
        if name == "add_loss" and known and not thing.is_self:
            self.report(BY_RULE["loss_added_from_outside"], call)
        if name in {"fit", "predict", "evaluate"} and _is_list_of_numbers(_argument(call, 0, "x")):
            self.report(BY_RULE["numbers_in_a_list"], call)
        weights = _keyword(call, "class_weight")
        if name in {"fit", "fit_generator"} and weights is not None:
            if isinstance(_constant(weights), str):
                self.report(BY_RULE["class_weight_is_a_word"], weights, old=_bare(call))
            elif known and thing.outputs > 1 and _bare(weights) != "None":
                self.report(BY_RULE["class_weight_of_several_outputs"], weights, old=_bare(call))

    def check_compile(self, call):
        metrics = _argument(call, 3, "metrics") if len(call.args) > 3 else _keyword(call, "metrics")
        names = metrics.elts if isinstance(metrics, ast.List | ast.Tuple) else [metrics]
        self.left.metrics |= {_constant(name) for name in names if name is not None}
        if isinstance(_constant(metrics), str):
            self.report(BY_RULE["metrics_is_a_word"], metrics, old=_bare(call))
        optimizer = _argument(call, 0, "optimizer")
        plain = "keras" in self.packages and "tensorflow" not in self.packages
        word = _constant(optimizer)
        if plain and isinstance(word, str) and word.lower() in {"adadelta", "adagrad"}:
            self.report(BY_RULE["default_rate_that_fell"], optimizer, old=_bare(call))

    # ---------------------------------------------------------------------- events

    def event(self, what, model, node, value=None, owner=""):
        scope = self.scope
        is_parameter = isinstance(model, ast.Name) and model.id in scope.parameters
        event = Event(what, _bare(model), scope.node, node, value, owner, is_parameter)
        self.left.events.append(event)

    def judge_events(self):
        """Reports what only the order of compiling, freezing and training shows."""
        events = self.left.events
        for index, event in enumerate(events):
            if event.what != "trainable":
                continue
            before = [e for e in events[:index] if e.scope is event.scope]
            after = [e for e in events[index + 1 :] if e.scope is event.scope]
            if _trains_on_unchanged(event, before, after):
                self.report(BY_RULE["trainable_changed_without_compile"], event.node)
            elif _starves(event, after, events):
                self.report(BY_RULE["frozen_discriminator"], event.node)


def _trains_on_unchanged(change, before, after):
    """Whether a model is fitted, has a layer frozen or thawed, and is fitted on uncompiled."""
    for key in {e.key for e in before if e.what == "compile"}:
        if change.owner and change.owner != key:
            continue
        own_before = [e.what for e in before if e.key == key and e.what in {"compile", "fit"}]
        own_after = [e.what for e in after if e.key == key and e.what in {"compile", "fit"}]
        if own_before[-1:] == ["fit"] and own_after[:1] == ["fit"]:
            return True
    return False


def _starves(change, after, events):
    """Whether a model stays frozen for the sake of another one, but is trained by itself."""
    if change.value is not False or change.owner:
        return False
    compiled = [e.key for e in after if e.what == "compile"]
    if not compiled or change.key in compiled:
        return False
    if any(e.what == "trainable" and e.value is not False for e in events):
        return False
    trained = {e.key for e in events if e.what == "train_on_batch"}
    return len(trained) > 1 if change.is_parameter else change.key in trained


def _path(dotted):
    """The path of an imported name, with the several spellings of TensorFlow as one."""
    if dotted == "tensorflow" or dotted.startswith("tensorflow."):
        dotted = "tf" + dotted.removeprefix("tensorflow")
    dotted = dotted.replace("tf.compat.v1.keras", "tf.keras", 1)
    for module in ("optimizers", "losses", "metrics"):
        if dotted == f"tf.{module}" or dotted.startswith(f"tf.{module}."):
            dotted = dotted.replace("tf.", "tf.keras.", 1)
    return Path(dotted)


def _from_star(stars, name):
    """The path of a name that only `from module import *` can have brought."""
    keras_modules = [star for star in stars if "keras" in star.split(".")]
    if name in {"Model", "Sequential", "Input", "Layer"} and keras_modules:
        return Path("keras." + name)
    for star in keras_modules:
        path = Path(f"{star}.{name}")
        area = path.canonical.rpartition(".")[0]
        is_layer = area == "keras.layers" and name[:1].isupper()
        if is_layer or BY_NAME.get(path.api):
            return path
    return None


def _types(node):
    """The exception types that a handler names; one empty name where it catches all."""
    if node is None:
        return [ast.Name("")]
    return node.elts if isinstance(node, ast.Tuple) else [node]


def _kind_of_base(base):
    if isinstance(base, Class):
        return None if base.kind == "instance" else base.kind
    if not isinstance(base, Path):
        return None
    area, _, last = base.canonical.rpartition(".")
    if base.canonical in {"keras.Model", "keras.Sequential"}:
        return "model"
    if base.canonical == "keras.Layer" or (area == "keras.layers" and last[:1].isupper()):
        return "layer"
    kinds = {"keras.callbacks": "callback", "keras.metrics": "metric"}
    return kinds.get(area)


def _methods(node):
    return [s for s in node.body if isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef)]


def _is_stored(node):
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _is_tensor(value):
    if isinstance(value, Several):
        return any(map(_is_tensor, value.values))
    return isinstance(value, Thing) and value.kind == "tensor"


def _element(value):
    """What a loop over a value takes from it."""
    if isinstance(value, Several):
        return _join(value.values)
    if isinstance(value, Thing) and value.kind in ELEMENTS:
        return replace(value, kind=ELEMENTS[value.kind])
    return value if isinstance(value, Thing) and value.kind == "tensor" else None


def _is_list_of_numbers(node):
    if not isinstance(node, ast.List) or not node.elts:
        return False
    return all(_is_number(part) or _is_list_of_numbers(part) for part in node.elts)
