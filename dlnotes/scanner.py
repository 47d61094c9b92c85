"""Finds Keras 2 idioms in Python source: parses it, follows the names, never runs it.

What a name stands for is followed through imports, aliases, assignments, calls of functions of the
same file and attributes of its classes, so that `lr=` counts only in the call of a Keras optimizer
and `reset_states` only on a model. What stays unknown is not reported.
"""

import ast
from dataclasses import dataclass

from dlnotes._source import (
    Memory,
    Path,
    Reader,
    Text,
    Thing,
    argument_of,
    bare,
    constant,
    is_number,
    is_tensor,
    keyword_of,
    last_name,
    methods_of,
)
from dlnotes.idioms import IDIOMS, Attribute, Keyword, Name, Rule, Suffix

BY_RULE = {row.pattern.name: row for row in IDIOMS if isinstance(row.pattern, Rule)}
BY_NAME = {
    name: (row, target)
    for row in IDIOMS
    if isinstance(row.pattern, Name)
    for name, target in row.pattern.names.items()
}
KEYWORDS = [row for row in IDIOMS if isinstance(row.pattern, Keyword)]
SUFFIXES = [row for row in IDIOMS if isinstance(row.pattern, Suffix)]
ATTRIBUTES = [row for row in IDIOMS if isinstance(row.pattern, Attribute)]
ATTRIBUTE_NAMES = {name for row in ATTRIBUTES for name in row.pattern.names}

NOISY = ("Dropout", "SpatialDropout", "GaussianDropout", "GaussianNoise", "AlphaDropout")
RECURRENT = ("LSTM", "GRU", "SimpleRNN")
LOADERS = {"keras.models.load_model", "keras.saving.load_model"}
KNOWS_KERAS_TENSORS = {"tf.is_tensor", "tf.print"}
LIKE_PREDICT_PROBA = {"catboost", "lightgbm", "sklearn", "xgboost"}
ONLY_IN_KERAS = {
    "reset_states",
    "predict_classes",
    "predict_proba",
    "fit_generator",
    "evaluate_generator",
    "predict_generator",
}


@dataclass(frozen=True)
class Finding:
    """One place where an idiom stands.

    `new` is what stands there rewritten, or the example of the table; `is_example` says which.
    """

    line: int
    old: str
    new: str
    why: str
    effect: str
    id: str
    is_example: bool = False


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
    for _ in range(3):
        scanner = _Scanner(memory)
        scanner.read(tree)
        memory = scanner.left
    scanner.judge_events()
    return sorted(scanner.findings.values(), key=lambda found: (found.line, found.id, found.old))


class _Scanner(Reader):
    """Reports what it sees; what it must know of the whole file it finds in `memory`."""

    def __init__(self, memory):
        super().__init__(memory)
        self.findings = {}

    def report(self, row, node, old=None, new=None, line=None):
        line, old = line or node.lineno, old or bare(node)
        found = Finding(line, old, new or row.new, row.why, row.effect, row.id, not new)
        self.findings[line, row.id, old] = found

    # ----------------------------------------------------------------------- names

    def match(self, path):
        """The row of a dotted name, what replaces the name, and whether there is a row."""
        parts = path.api.split(".")
        for count in range(len(parts), 0, -1):
            prefix, rest = ".".join(parts[:count]), "".join(f".{part}" for part in parts[count:])
            below = BY_NAME.get(f"{prefix}.*") if rest else None
            row, target = below or BY_NAME.get(prefix, (None, None))
            if row is not None and row.pattern.plain and path.is_in_tf_keras:
                return None, None
            if row is not None:
                return row, target and target + rest
        return None, None

    def is_gone(self, path):
        return self.match(path)[0] is not None

    def saw_import(self, node, imported):
        found = {}
        for alias, path in imported:
            row, target = self.match(path)
            if row is not None:
                found.setdefault(row.id, (row, []))[1].append((alias, target))
        for row, aliases in found.values():
            old = _import_statement([(alias, alias.name) for alias, _ in aliases], node)
            is_rewritten = all(target for _, target in aliases)
            new = _import_statement(aliases, None) if is_rewritten else None
            self.report(row, aliases[0][0], old=old, new=new)

    def saw_path(self, path, node):
        if path.canonical == "keras.activations.hard_sigmoid":
            self.report(BY_RULE["hard_sigmoid"], node)
        row, target = self.match(path)
        if row is None:
            return
        stays = target and target.rpartition(".")[2] == path.dotted.rpartition(".")[2]
        if not (stays and isinstance(node, ast.Name)):
            self.report(row, node, new=target, line=node.end_lineno)

    # ------------------------------------------------------------------ attributes

    def saw_attribute(self, node, base):
        if node.attr in ATTRIBUTE_NAMES and self.may_have(base, node):
            kind = base.kind if isinstance(base, Thing) else "model"
            for row in ATTRIBUTES:
                if node.attr in row.pattern.names and kind in row.pattern.of:
                    target = row.pattern.names[node.attr]
                    new = target and f"{bare(node.value)}.{target}"
                    self.report(row, node, new=new, line=node.end_lineno)
        is_sequential = isinstance(base, Thing) and base.path == "keras.Sequential"
        was_called = bare(node.value) in self.memory.called | self.left.called
        if node.attr in {"input", "output"} and is_sequential and not was_called:
            self.report(BY_RULE["input_of_a_sequential"], node, new=f"{bare(node)}s")

    def may_have(self, base, node):
        """Whether an attribute can be the one of Keras 2, by what it is read from."""
        if isinstance(base, Thing):
            return not self.is_own(base, node.attr)
        if node.attr == "predict_proba" and self.packages & LIKE_PREDICT_PROBA:
            return False
        return node.attr in ONLY_IN_KERAS and self.is_model(base, node.value)

    def is_own(self, thing, name):
        """Whether a class of this file may define the attribute itself."""
        assigned = self.memory.attributes
        if thing.owner:
            return any(name in attributes for attributes in assigned.values())
        if thing.defined_by is None:
            return False
        methods = {method.name for method in methods_of(thing.defined_by)}
        in_body = {
            target.id
            for statement in thing.defined_by.body
            for target in getattr(statement, "targets", [getattr(statement, "target", None)])
            if isinstance(target, ast.Name)
        }
        return name in methods | in_body | assigned.get(thing.defined_by, {}).keys()

    def saw_assignment(self, target, thing, statement):
        if target.attr == "lr" and thing.kind == "optimizer":
            new = bare(statement).replace(".lr", ".learning_rate", 1)
            self.report(BY_RULE["lr_assigned"], target, old=bare(statement), new=new)
        if target.attr == "trainable" and thing.kind in {"model", "layer"}:
            new = constant(statement.value) if isinstance(statement, ast.Assign) else None
            self.event("trainable", target.value, statement, new, thing.owner)

    def saw_key(self, key, node, thing):
        if constant(key) in {"acc", "val_acc"} and self.calls_it_accuracy:
            row = BY_RULE["history_key_acc" if thing.kind == "records" else "logs_key_acc"]
            self.report(row, node, new=bare(node).replace("acc'", "accuracy'", 1))

    @property
    def calls_it_accuracy(self):
        return "accuracy" in self.memory.metrics and "acc" not in self.memory.metrics

    # ------------------------------------------------------------ calls of a name

    def saw_call(self, call, path, everything):
        canonical = path.canonical
        area, _, last = canonical.rpartition(".")
        self.check_keywords(call, {canonical, path.makes})
        wrong_suffix = self.check_suffix(call, canonical)
        if any(map(is_tensor, everything)) and self.refuses_keras_tensors(path):
            self.report(BY_RULE["tensorflow_function_of_a_keras_tensor"], call)
        if canonical == "keras.Input" and is_number(argument_of(call, 0, "shape")):
            self.report(BY_RULE["input_shape_is_a_number"], call)
        if last == "Convolution2D" and len(call.args) >= 3 and all(map(is_number, call.args[1:3])):
            self.report(BY_RULE["kernel_as_two_numbers"], call)
        if path.makes == "layer":
            self.check_activation(call, last)
        if path.makes == "optimizer":
            self.check_optimizer(call, path, last)
        if area == "keras.callbacks":
            self.check_monitor(call, last)
        if last == "Lambda" and call.args and isinstance(call.args[0], ast.Lambda):
            self.left.has_lambda_layer = True
        if last == "enable_unsafe_deserialization":
            self.left.allows_unsafe = True
        if canonical in LOADERS and not wrong_suffix:
            self.check_loading(call)

    def refuses_keras_tensors(self, path):
        if path.is_in_tf_keras:
            row, _ = self.match(Path(path.api))
            return row is not None and row.id == "backend-functions"
        return path.dotted.startswith("tf.") and path.dotted not in KNOWS_KERAS_TENSORS

    def check_keywords(self, call, called):
        given = {keyword.arg: keyword for keyword in call.keywords if keyword.arg}
        function = bare(call.func)
        for row in KEYWORDS:
            if not called & {*row.pattern.of}:
                continue
            for name in row.pattern.names.keys() & given.keys():
                value, target = bare(given[name].value), row.pattern.names[name]
                if row.pattern.value in {None, value}:
                    old = f"{function}({name}={value})"
                    new = target and f"{function}({target}={value})"
                    self.report(row, given[name], old=old, new=new)

    def check_suffix(self, call, called):
        """Reports a file name with a wrong ending; returns whether it did."""
        wrong = False
        for row in SUFFIXES:
            if row.pattern.of != called or keyword_of(call, "save_format") is not None:
                continue
            if row.pattern.flag:
                name, wanted = row.pattern.flag
                flag = keyword_of(call, name)
                if (False if flag is None else constant(flag)) is not wanted:
                    continue
            path = argument_of(call, 0, "filepath")
            ending = self.ending(path)
            if ending and not ending.endswith(row.pattern.endings):
                self.report(row, path, old=bare(call))
                wrong = True
        return wrong

    def ending(self, node):
        """The written end of a file name, or an empty string where it is not known."""
        if isinstance(node, ast.JoinedStr) and node.values:
            return self.ending(node.values[-1])
        if isinstance(node, ast.BinOp):
            return self.ending(node.right if isinstance(node.op, ast.Add) else node.left)
        if isinstance(node, ast.Call) and last_name(node.func) == "join" and node.args:
            return self.ending(node.args[-1])
        if isinstance(node, ast.Call) and last_name(node.func) == "format":
            return self.ending(node.func.value)
        found = self.value(node) if isinstance(node, ast.Name | ast.Constant) else None
        text = found.text if isinstance(found, Text) else ""
        return "" if text.endswith(("}", "%s")) else text

    def check_activation(self, call, last):
        places = [keyword_of(call, "activation"), keyword_of(call, "recurrent_activation")]
        if last == "Activation":
            places.append(argument_of(call, 0, "activation"))
        for place in places:
            if constant(place) == "hard_sigmoid":
                self.report(BY_RULE["hard_sigmoid"], place)

    def check_optimizer(self, call, path, last):
        clips = [keyword_of(call, name) for name in ("clipnorm", "clipvalue", "global_clipnorm")]
        if sum(clip is not None for clip in clips) > 1:
            self.report(BY_RULE["two_ways_of_clipping"], call)
        fell = last in {"Adadelta", "Adagrad"} and not path.is_in_tf_keras
        rate = argument_of(call, 0, "learning_rate") or keyword_of(call, "lr")
        unpacks = any(keyword.arg is None for keyword in call.keywords)
        if fell and rate is None and not unpacks:
            self.report(BY_RULE["default_rate_that_fell"], call)

    def check_monitor(self, call, last):
        positions = {"ModelCheckpoint": 1, "EarlyStopping": 0, "ReduceLROnPlateau": 0}
        if last not in positions or not self.calls_it_accuracy:
            return
        monitor = argument_of(call, positions[last], "monitor")
        if constant(monitor) in {"acc", "val_acc"}:
            new = bare(call).replace("acc'", "accuracy'", 1)
            self.report(BY_RULE["monitor_acc"], monitor, old=bare(call), new=new)

    def check_loading(self, call):
        trusts = keyword_of(call, "safe_mode") is not None or self.memory.allows_unsafe
        if self.memory.has_lambda_layer and not trusts:
            self.report(BY_RULE["load_model_with_lambda"], call)

    # ------------------------------------------------- calls of layers and methods

    def saw_call_of_thing(self, call, thing, on_tensor):
        if on_tensor and thing.kind == "model":
            self.left.called.add(bare(call.func))
        training = constant(keyword_of(call, "training"))
        last = thing.path.rpartition(".")[2]
        if training is True and thing.kind == "layer" and last.startswith((*NOISY, *RECURRENT)):
            in_a_function = isinstance(call.func, ast.Call) and self.scope.class_method is None
            if on_tensor or in_a_function:
                self.report(BY_RULE["baked_training_true"], call)
        if training is False and on_tensor and not thing.is_self:
            is_frozen = thing.kind == "model" and self.is_frozen(bare(call.func))
            if (thing.kind == "model" or last == "BatchNormalization") and not is_frozen:
                self.report(BY_RULE["baked_training_false"], call)

    def is_frozen(self, key):
        """Whether a model is frozen somewhere and never thawed."""
        values = [
            event.value
            for event in self.memory.events
            if event.what == "trainable" and key in (event.key, event.owner)
        ]
        return bool(values) and all(value is False for value in values)

    def saw_method(self, call, thing):
        name, kind = call.func.attr, getattr(thing, "kind", None)
        if kind == "layers" and name == "pop":
            self.report(BY_RULE["layers_pop"], call, new=f"{thing.owner}.pop()")
        is_named_first = bool(call.args) and isinstance(constant(call.args[0]), str)
        if kind == "layer" and name == "add_weight" and is_named_first:
            new = bare(call).replace("add_weight(", "add_weight(name=", 1)
            self.report(BY_RULE["weight_name_first"], call, new=new)
        if self.is_model(thing, call.func.value):
            self.check_model_method(call, name, thing)

    def is_model(self, thing, node):
        """Whether something is a model, or an unknown value that is called so."""
        if isinstance(thing, Thing):
            return thing.kind == "model"
        uses_keras = bool({"keras", "tensorflow"} & self.packages) and "torch" not in self.packages
        return thing is None and uses_keras and last_name(node).lower().endswith("model")

    def check_model_method(self, call, name, thing):
        self.check_keywords(call, {f"model.{name}"})
        self.check_suffix(call, f"model.{name}")
        if name in {"compile", "fit", "train_on_batch"}:
            self.event(name, call.func.value, call)
        if name == "compile":
            self.check_compile(call)
        if name == "add_loss" and isinstance(thing, Thing) and not thing.is_self:
            self.report(BY_RULE["loss_added_from_outside"], call)
        data = argument_of(call, 0, "x")
        if name in {"fit", "predict", "evaluate"} and _is_list_of_numbers(data):
            self.report(BY_RULE["numbers_in_a_list"], call)
        weights = keyword_of(call, "class_weight")
        if name in {"fit", "fit_generator"} and weights is not None:
            if isinstance(constant(weights), str):
                self.report(BY_RULE["class_weight_is_a_word"], weights, old=bare(call))
            elif isinstance(thing, Thing) and thing.outputs > 1 and bare(weights) != "None":
                self.report(BY_RULE["class_weight_of_several_outputs"], weights, old=bare(call))

    def check_compile(self, call):
        metrics = keyword_of(call, "metrics")
        names = metrics.elts if isinstance(metrics, ast.List | ast.Tuple) else [metrics]
        self.left.metrics |= {constant(name) for name in names}
        if isinstance(constant(metrics), str):
            self.report(BY_RULE["metrics_is_a_word"], metrics, old=bare(call))
        optimizer = argument_of(call, 0, "optimizer")
        is_stand_alone = "keras" in self.packages and "tensorflow" not in self.packages
        if is_stand_alone and str(constant(optimizer)).lower() in {"adadelta", "adagrad"}:
            self.report(BY_RULE["default_rate_that_fell"], optimizer, old=bare(call))

    # ------------------------------------------------------ the order of the lines

    def event(self, what, model, node, value=None, owner=""):
        is_parameter = isinstance(model, ast.Name) and model.id in self.scope.parameters
        event = Event(what, bare(model), self.scope.node, node, value, owner, is_parameter)
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
    for key in {event.key for event in before if event.what == "compile"}:
        if change.owner and change.owner != key:
            continue
        own_before = [e.what for e in before if e.key == key and e.what in {"compile", "fit"}]
        own_after = [e.what for e in after if e.key == key and e.what in {"compile", "fit"}]
        if own_before[-1:] == ["fit"] and own_after[:1] == ["fit"]:
            return True
    return False


def _starves(change, after, events):
    """Whether a model is frozen for the sake of another one and yet trained by itself."""
    compiled = {event.key for event in after if event.what == "compile"}
    if change.value is not False or change.owner or not compiled or change.key in compiled:
        return False
    if any(event.what == "trainable" and event.value is not False for event in events):
        return False
    trained = {event.key for event in events if event.what == "train_on_batch"}
    return len(trained) > 1 if change.is_parameter else change.key in trained


def _import_statement(aliases, node):
    """An import as one would write it: of the names as `node` has them, or of whole paths."""
    if isinstance(node, ast.Import):
        return "import " + ", ".join(name for _, name in aliases)
    if node is not None:
        module = "." * node.level + (node.module or "")
        aliases = [(alias, f"{module}.{name}") for alias, name in aliases]
    names = {}
    for alias, path in aliases:
        module, _, name = path.rpartition(".")
        suffix = f" as {alias.asname}" if alias.asname and alias.asname != name else ""
        names.setdefault(module, []).append(f"{name}{suffix}")
    return "\n".join(
        f"from {module} import {', '.join(several)}" if module else f"import {several[0]}"
        for module, several in names.items()
    )


def _is_list_of_numbers(node):
    if not isinstance(node, ast.List) or not node.elts:
        return False
    return all(is_number(part) or _is_list_of_numbers(part) for part in node.elts)
