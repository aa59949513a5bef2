"""State that requests share without meaning to: ``threading.local`` and written globals."""

import ast
from collections.abc import Iterator
from typing import Final

from split_deploy.inspection.syntax import AnyFunction, Hit, Imports, dotted, walk_body

_HANDLERS: Final = {"get", "post", "put", "patch", "delete", "head", "options", "trace"}
_ACTIONS: Final = {
    *("list", "retrieve", "create", "update", "partial_update", "destroy", "dispatch", "meta"),
}
_VIEW_CLASS: Final = ("View", "ViewSet", "Controller", "ViewSetMixin")
_CONTAINERS: Final = {
    *("dict", "list", "set", "collections.defaultdict", "collections.deque"),
    *("collections.Counter", "collections.OrderedDict"),
}
_CHANGES: Final = {
    *("append", "appendleft", "extend", "insert", "remove", "pop", "popleft", "popitem", "clear"),
    *("add", "discard", "update", "setdefault", "sort", "reverse"),
}


def shared_state(tree: ast.Module, imports: Imports) -> Iterator[Hit]:
    """Yield the ``thread-local``, ``written-global`` and ``mixed-handlers`` of a module."""
    yield from _thread_locals(tree, imports)
    containers = _containers(tree, imports)
    for view in _views(tree):
        yield from _written_globals(view, containers)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and _is_view_class(node):
            yield from _mixed_handlers(node)


def _thread_locals(tree: ast.Module, imports: Imports) -> Iterator[Hit]:
    message = (
        "threading.local() keeps a value for each thread. On the event loop all requests are in "
        "one thread and see each other's. Per-request state belongs in a contextvars.ContextVar."
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and imports.full(dotted(node.func)) == "threading.local":
            yield Hit.at(node, "thread-local", message)
        elif isinstance(node, ast.ClassDef) and any(
            imports.full(dotted(base)) == "threading.local" for base in node.bases
        ):
            yield Hit("thread-local", message, node.lineno, node.lineno)


def _containers(tree: ast.Module, imports: Imports) -> set[str]:
    """The names that the module gives to a dict, list or set that can be changed."""
    names: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, value = [statement.target], statement.value
        else:
            continue
        is_container = isinstance(
            value, (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp)
        ) or (isinstance(value, ast.Call) and imports.full(dotted(value.func)) in _CONTAINERS)
        if is_container:
            names.update(target.id for target in targets if isinstance(target, ast.Name))
    return names


def _views(tree: ast.Module) -> Iterator[AnyFunction]:
    """Yield what looks like a view: it takes a request, or handles a method of a view class."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and _is_view_class(node):
            for method in node.body:
                if (
                    isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef))
                    and method.name in _HANDLERS | _ACTIONS
                ):
                    yield method
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            arguments = [*node.args.posonlyargs, *node.args.args]
            if arguments and arguments[0].arg == "request":
                yield node


def _is_view_class(node: ast.ClassDef) -> bool:
    bases = (base.value if isinstance(base, ast.Subscript) else base for base in node.bases)
    return any(dotted(base).endswith(_VIEW_CLASS) for base in bases)


def _written_globals(view: AnyFunction, containers: set[str]) -> Iterator[Hit]:
    nodes = list(walk_body(view))
    declared = {name for node in nodes if isinstance(node, ast.Global) for name in node.names}
    own = _local_names(view, nodes) - declared
    shared = (containers | declared) - own
    for node in nodes:
        if not isinstance(node, (ast.stmt, ast.expr)):
            continue
        for name in _written_by(node, declared, shared):
            yield Hit.at(
                node,
                "written-global",
                f"{view.name}() changes the module's {name}, which all requests of the process "
                "share, and those of other processes don't. State of one request belongs in a "
                "contextvars.ContextVar, and what is to be shared in the database or the cache.",
            )


def _written_by(node: ast.AST, declared: set[str], shared: set[str]) -> Iterator[str]:
    if isinstance(node, (ast.Assign, ast.Delete)):
        targets = node.targets
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
        targets = [node.target]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        name = dotted(node.func.value)
        if node.func.attr in _CHANGES and name in shared:
            yield name
        return
    else:
        return
    for target in targets:
        if isinstance(target, ast.Name) and target.id in declared:
            yield target.id
        elif isinstance(target, ast.Subscript) and dotted(target.value) in shared:
            yield dotted(target.value)


def _local_names(view: AnyFunction, nodes: list[ast.AST]) -> set[str]:
    arguments = view.args
    names = {each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    return names | {
        node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _mixed_handlers(node: ast.ClassDef) -> Iterator[Hit]:
    handlers = [
        each
        for each in node.body
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))
        and each.name in _HANDLERS - {"options"}
    ]
    is_async = [isinstance(each, ast.AsyncFunctionDef) for each in handlers]
    if any(is_async) and not all(is_async):
        yield Hit(
            "mixed-handlers",
            f"{node.name} has sync and async handlers, and a view class may have only one sort: "
            "as_view() refuses it. Make two views of it, one for each instance.",
            node.lineno,
            node.lineno,
        )
