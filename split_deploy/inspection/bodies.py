"""What the source of one function says: whom it calls, and what it does with the result.

Only the syntax is read here; what a name stands for is looked up by the caller, in the function
object.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import CodeType
from typing import Final, Literal, TypeAlias

from split_deploy.inspection.syntax import dotted, source_of, walk

#: What becomes of a call's result.
Use: TypeAlias = Literal["returned", "awaited", "other"]
#: How a call gets to the function: at once, in a thread, or on an event loop of its own.
Via: TypeAlias = Literal["call", "thread", "loop"]

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

_TO_THREAD: Final = {"sync_to_async", "SyncToAsync", "to_thread", "run_in_executor"}
_TO_LOOP: Final = {"async_to_sync", "AsyncToSync", "run", "run_until_complete"}
# What `*args` is called in a Call: a wrapper hands on all that it was given.
STARRED: Final = "*"


@dataclass(frozen=True, slots=True)
class Call:
    """One call in a function."""

    #: The dotted name that is called: ``view``, ``self.get``. Empty for what has no name.
    name: str
    via: Via
    #: ``returned``: it is the value of a return statement, awaited or not.
    use: Use
    #: The dotted name of each positional argument; empty for one that has none.
    arguments: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Body:
    """What a function does, as far as the inspection wants to know."""

    calls: tuple[Call, ...]
    #: The first parameter, past ``self`` and ``cls``, or ``*`` if it takes any.
    parameter: str
    #: Whether its only statement, but for a docstring, is a return.
    is_one_return: bool
    #: The names of the functions defined in it that are generators: sync ones and async ones.
    generators: frozenset[str]
    async_generators: frozenset[str]


def body_of(code: CodeType) -> Body | None:
    """Return what the source of ``code`` says, or ``None`` if there is none to be read."""
    return _body_at(code.co_filename, code.co_name, *_beginning(code))


def forget() -> None:
    """Give back the memory of all that was read."""
    _body_at.cache_clear()
    _functions_of.cache_clear()


# A decorator's wrapper is met at each view that it decorates.
@lru_cache(maxsize=1024)
def _body_at(file: str, name: str, line: int, column: int) -> Body | None:
    functions = _functions_of(file)
    is_lambda = name == "<lambda>"
    node = functions.lambda_at(line, column) if is_lambda else functions.named(name, line)
    return _read(node) if node is not None else None


def _beginning(code: CodeType) -> tuple[int, int]:
    if code.co_name != "<lambda>":
        return code.co_firstlineno, 0
    # A line can have several lambdas; where its instructions are tells which one this is. Those
    # that stand for nothing in the source are at column 0.
    positions = [
        (line, column)
        for line, _, column, end_column in code.co_positions()
        if line is not None and column is not None and end_column
    ]
    return min(positions, default=(code.co_firstlineno, 0))


# The files of a project are mostly met one after the other, so few syntax trees are kept.
@lru_cache(maxsize=4)
def _functions_of(file: str) -> "_Functions":
    try:
        return _Functions(ast.parse(source_of(file) or ""))
    except SyntaxError:  # a notebook's cell, a template engine's output
        return _Functions(ast.parse(""))


class _Functions:
    """The functions of a file by where they begin."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._named: dict[tuple[str, int], FunctionNode] = {}
        for node in _statements(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                # As code objects have it: a decorator is the beginning.
                line = min([node.lineno, *(each.lineno for each in node.decorator_list)])
                self._named[node.name, line] = node

    def named(self, name: str, line: int) -> FunctionNode | None:
        return self._named.get((name, line))

    def lambda_at(self, line: int, column: int) -> FunctionNode | None:
        """The innermost lambda that has this position in its body."""
        around = [
            node
            for node in self._lambdas
            if (node.body.lineno, node.body.col_offset)
            <= (line, column)
            <= (node.end_lineno or 0, node.end_col_offset or 0)
        ]
        return max(around, key=lambda node: (node.lineno, node.col_offset), default=None)

    @cached_property
    def _lambdas(self) -> list[ast.Lambda]:
        return [node for node in ast.walk(self._tree) if isinstance(node, ast.Lambda)]


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    """Yield all statements below ``node``, without a look at their expressions."""
    for block in ("body", "orelse", "finalbody", "handlers", "cases"):
        for each in getattr(node, block, ()):
            if isinstance(each, ast.stmt):
                yield each
            yield from _statements(each)


def _read(node: FunctionNode) -> Body:
    uses: dict[int, Use] = {}
    calls: list[Call] = []
    generators: dict[str, bool] = {}
    if isinstance(node, ast.Lambda):
        _mark_returned(node.body, uses)
        statements: list[ast.stmt] = []
        nodes: Iterator[ast.AST] = walk(node.body)
    else:
        statements = [each for each in node.body if not _is_docstring(each)]
        nodes = (inner for statement in node.body for inner in walk(statement))
    found = list(nodes)
    for each in found:
        if isinstance(each, ast.Return) and each.value is not None:
            _mark_returned(each.value, uses)
        elif isinstance(each, ast.Await):
            uses.setdefault(id(each.value), "awaited")
    for each in found:
        if isinstance(each, ast.Call):
            calls.append(_call(each, uses.get(id(each), "other")))
        elif isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)) and _is_generator(each):
            generators[each.name] = isinstance(each, ast.AsyncFunctionDef)
    return Body(
        calls=tuple(calls),
        parameter=_parameter(node.args),
        is_one_return=isinstance(node, ast.Lambda)
        or (len(statements) == 1 and isinstance(statements[0], ast.Return)),
        generators=frozenset(name for name, is_async in generators.items() if not is_async),
        async_generators=frozenset(name for name, is_async in generators.items() if is_async),
    )


def _mark_returned(value: ast.expr, uses: dict[int, Use]) -> None:
    if isinstance(value, ast.Await):
        value = value.value
    if isinstance(value, ast.IfExp):
        _mark_returned(value.body, uses)
        _mark_returned(value.orelse, uses)
    uses[id(value)] = "returned"


def _call(node: ast.Call, use: Use) -> Call:
    name, arguments, via = dotted(node.func), node.args, "call"
    last = name.rpartition(".")[2]
    if isinstance(node.func, ast.Call):
        # As in `sync_to_async(view)(request)`.
        maker = dotted(node.func.func).rpartition(".")[2]
        if maker in _TO_THREAD | _TO_LOOP and node.func.args:
            name = dotted(node.func.args[0])
            via = "thread" if maker in _TO_THREAD else "loop"
    elif last in {"to_thread", "run_in_executor"} and arguments:
        # As in `await asyncio.to_thread(view, request)`, where the executor may come first.
        skipped = 1 if last == "run_in_executor" else 0
        if len(arguments) > skipped:
            name, arguments, via = dotted(arguments[skipped]), arguments[skipped + 1 :], "thread"
    elif last in {"run", "run_until_complete"} and arguments:
        # As in `return asyncio.run(view(request))`.
        inner = arguments[0]
        if isinstance(inner, ast.Call):
            name, arguments, via = dotted(inner.func), inner.args, "loop"
    return Call(
        name=name,
        via="thread" if via == "thread" else "loop" if via == "loop" else "call",
        use=use,
        arguments=tuple(_argument(each) for each in arguments),
        line=node.lineno,
    )


def _argument(node: ast.expr) -> str:
    if isinstance(node, ast.Starred):
        return STARRED
    if isinstance(node, ast.Call):
        return f"{dotted(node.func)}()"
    if isinstance(node, ast.GeneratorExp):
        return "<async generator>" if node.generators[0].is_async else "<generator>"
    return dotted(node)


def _parameter(arguments: ast.arguments) -> str:
    names = [each.arg for each in [*arguments.posonlyargs, *arguments.args]]
    if names and names[0] in {"self", "cls"}:
        del names[0]
    if names:
        return names[0]
    return STARRED if arguments.vararg else ""


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_generator(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    inner = (each for statement in node.body for each in walk(statement))
    return any(isinstance(each, (ast.Yield, ast.YieldFrom)) for each in inner)
