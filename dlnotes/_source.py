"""Follows names through Python source, as far as it takes to know what is a Keras model.

The source is parsed and never run. What stays unknown is `None`.
"""

import ast
import builtins
from dataclasses import dataclass, field, replace

ELEMENTS = {"layers": "layer", "metrics": "metric", "enumerated layers": "numbered layers"}
MODEL_MAKERS = {
    "keras.models.load_model",
    "keras.models.model_from_json",
    "keras.models.model_from_yaml",
    "keras.models.clone_model",
    "keras.saving.load_model",
    "keras.utils.multi_gpu_model",
}
NAMES_BY_AREA = {
    "keras.optimizers": [
        "SGD",
        "RMSprop",
        "Adam",
        "Adadelta",
        "Adagrad",
        "Adamax",
        "Nadam",
        "Ftrl",
    ],
    "keras.callbacks": [
        "ModelCheckpoint",
        "EarlyStopping",
        "ReduceLROnPlateau",
        "TensorBoard",
        "Callback",
    ],
}
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

    @property
    def makes(self):
        """The kind of thing that the class of this name makes, or `None`."""
        area, _, last = self.canonical.rpartition(".")
        kinds = {
            "keras.layers": "layer",
            "keras.optimizers": "optimizer",
            "keras.metrics": "metric",
            "keras.callbacks": "callback",
        }
        return kinds.get(area) if last[:1].isupper() or area == "keras.optimizers" else None


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


@dataclass
class Memory:
    """What one reading of a file leaves for the next one."""

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


class Reader:
    """Reads a module once, from top to bottom, and calls the `saw` methods on the way."""

    def __init__(self, memory):
        self.memory = memory
        self.left = Memory()
        self.seen = {}
        self.scope = Scope()
        self.guarded = False

    def read(self, tree):
        self.block(tree.body)
        self.left.module = self.scope.names

    @property
    def packages(self):
        return self.memory.packages | self.left.packages

    # ---------------------------------------------------- what a scanner may want to see

    def is_gone(self, path):
        """Whether an imported name is missing from Keras 3."""
        return False

    def saw_import(self, node, imported):
        """A statement that imports, with its aliases and their paths."""

    def saw_path(self, path, node):
        """A whole dotted name in use."""

    def saw_attribute(self, node, base):
        """An attribute that is read from something."""

    def saw_assignment(self, target, thing, statement):
        """An attribute that is written."""

    def saw_key(self, key, node, thing):
        """A key that is looked up in a history or in logs."""

    def saw_call(self, call, path, everything):
        """The call of an imported name."""

    def saw_call_of_thing(self, call, thing, on_tensor):
        """The call of a layer or a model."""

    def saw_method(self, call, thing):
        """The call of a method."""

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
            first = alias.name.partition(".")[0]
            self.left.packages.add(first)
            self.bind(alias.asname or first, path_of(alias.name if alias.asname else first))
        if not self.guarded:
            self.saw_import(node, [(alias, path_of(alias.name)) for alias in node.names])

    def on_ImportFrom(self, node):  # noqa: N802
        module = "." * node.level + (node.module or "")
        self.left.packages.add(module.partition(".")[0])
        imported = []
        for alias in node.names:
            path = path_of(f"{module}.{alias.name}")
            if alias.name == "keras" and not path.dotted.startswith("tf."):
                path = Path("keras")
            if alias.name == "*":
                self.scope.stars.append(path_of(module).dotted)
            else:
                self.bind(alias.asname or alias.name, self.unless_guarded(path))
            imported.append((alias, path))
        if not self.guarded:
            self.saw_import(node, imported)

    def unless_guarded(self, path):
        """The path, or nothing known where a failing import is caught and another one follows."""
        return None if self.guarded and self.is_gone(path) else path

    def on_Try(self, node):  # noqa: N802
        caught = {last_name(part) for h in node.handlers for part in _types(h.type)}
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
            static = "staticmethod" in {last_name(d) for d in statement.decorator_list}
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
        self.saw_assignment(target, thing, statement)

    # ----------------------------------------------------------------- expressions

    def value(self, node, outermost=True):
        """What an expression stands for; reports what it finds on the way, once."""
        if node not in self.seen:
            handler = getattr(self, f"of_{type(node).__name__}", self.of_anything)
            self.seen[node] = handler(node)
        found = self.seen[node]
        if outermost and isinstance(found, Path) and isinstance(node, ast.Name | ast.Attribute):
            self.saw_path(found, node)
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
            return self.from_star(stars, node.id)
        return None

    def from_star(self, stars, name):
        """The path of a name that only `from module import *` can have brought."""
        keras_modules = [star for star in stars if "keras" in star.split(".")]
        if name in {"Model", "Sequential", "Input", "Layer"} and keras_modules:
            return Path(f"keras.{name}")
        paths = [Path(f"{star}.{name}") for star in keras_modules]
        for path in paths:
            if name in NAMES_BY_AREA.get(path.canonical.rpartition(".")[0], ()):
                return path
        return next((p for p in paths if p.makes == "layer" or self.is_gone(p)), None)

    def of_Attribute(self, node):  # noqa: N802
        base = self.value(node.value, outermost=False)
        if isinstance(base, Path):
            return path_of(f"{base.dotted}.{node.attr}")
        if isinstance(node.ctx, ast.Load):
            self.saw_attribute(node, base)
        return self.member(node, base) if isinstance(base, Thing) else None

    def member(self, node, thing):
        """What an attribute of a known thing stands for."""
        name = node.attr
        if thing.defined_by is not None:
            known = self.memory.attributes.get(thing.defined_by, {})
            if name in known:
                return _join(known[name])
            method = next((m for m in methods_of(thing.defined_by) if m.name == name), None)
            if method and "property" in map(last_name, method.decorator_list):
                return _join(self.memory.returns.get(method, []))
            if method:
                return Function(method, method=True)
        if (thing.kind, name) == ("model", "layers"):
            return Thing("layers", owner=bare(node.value))
        kinds = {
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
            self.saw_key(node.slice, node, base)
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
        return next((side for side in sides if is_tensor(side)), None)

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
            self.saw_call(node, function, everything)
            return self.made_by(function, arguments, named)
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
        initializer = next((m for m in methods_of(made.node) if m.name == "__init__"), None)
        if initializer:
            self.remember_arguments(initializer, arguments, named, True)
        return Thing(made.kind, path=made.node.name, defined_by=made.node)

    def made_by(self, path, arguments, named):
        """What the call of an imported name returns."""
        canonical = path.canonical
        area, _, last = canonical.rpartition(".")
        if canonical == "keras.Input":
            return Thing("tensor")
        if canonical == "keras.Model" and (arguments or named):
            outputs = arguments[1] if len(arguments) > 1 else named.get("outputs")
            count = len(outputs.values) if isinstance(outputs, Several) else 1
            return Thing("model", path=canonical, outputs=count)
        is_application = area == "keras.applications" and last[:1].isupper()
        if canonical == "keras.Sequential" or canonical in MODEL_MAKERS or is_application:
            return Thing("model", path=canonical)
        if path.makes:
            return Thing(path.makes, path=canonical)
        if area in {"keras.layers", "keras.ops"}:
            return Thing("tensor") if any(map(is_tensor, [*arguments, *named.values()])) else None
        is_other = path.dotted.partition(".")[0] in OTHER_LIBRARIES
        return Thing("other") if is_other else None

    def called(self, call, thing, everything):
        """A layer or a model is called on something."""
        if thing.kind not in {"layer", "model"}:
            return None
        on_tensor = any(map(is_tensor, everything))
        self.saw_call_of_thing(call, thing, on_tensor)
        return Thing("tensor") if on_tensor else None

    def method(self, call, thing):
        """What the call of a method returns."""
        name, kind = call.func.attr, getattr(thing, "kind", None)
        if kind in {"records", "logs"} and name == "get" and call.args:
            self.saw_key(call.args[0], call, thing)
        self.saw_method(call, thing)
        if kind == "model" and name in {"fit", "fit_generator"}:
            return Thing("history")
        if kind == "model" and name == "get_layer":
            return Thing("layer", owner=bare(call.func.value))
        return None


def _join(values):
    """What several values have in common."""
    known = [value for value in values if value is not None]
    if not known or len({getattr(value, "kind", type(value)) for value in known}) > 1:
        return None
    return known[0]


def bare(node):
    """The source of a node in one line."""
    return " ".join(ast.unparse(node).split())


def last_name(node):
    """The last part of a dotted name, or an empty string."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def keyword_of(call, name):
    """The value of a keyword argument, or `None`."""
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def argument_of(call, position, name):
    """The value of an argument given by position or by name, or `None`."""
    if len(call.args) > position:
        return call.args[position]
    return keyword_of(call, name)


def constant(node):
    """The value of a literal, or `None`."""
    return node.value if isinstance(node, ast.Constant) else None


def is_number(node):
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    return isinstance(constant(node), int | float) and not isinstance(node.value, bool)


def path_of(dotted):
    """The path of an imported name, with the several spellings of TensorFlow as one."""
    if dotted == "tensorflow" or dotted.startswith("tensorflow."):
        dotted = "tf" + dotted.removeprefix("tensorflow")
    dotted = dotted.replace("tf.compat.v1.keras", "tf.keras", 1)
    for module in ("optimizers", "losses", "metrics"):
        if dotted == f"tf.{module}" or dotted.startswith(f"tf.{module}."):
            dotted = dotted.replace("tf.", "tf.keras.", 1)
    return Path(dotted)


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
    own = {"keras.Model": "model", "keras.Sequential": "model", "keras.Layer": "layer"}
    return own.get(base.canonical, base.makes)


def methods_of(node):
    return [s for s in node.body if isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef)]


def is_tensor(value):
    if isinstance(value, Several):
        return any(map(is_tensor, value.values))
    return isinstance(value, Thing) and value.kind == "tensor"


def _element(value):
    """What a loop over a value takes from it."""
    if isinstance(value, Several):
        return _join(value.values)
    if isinstance(value, Thing) and value.kind in ELEMENTS:
        return replace(value, kind=ELEMENTS[value.kind])
    return value if isinstance(value, Thing) and value.kind == "tensor" else None
