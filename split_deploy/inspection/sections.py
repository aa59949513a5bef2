"""Which part of an ``async def`` runs on the event loop: of a blocking-first one, its sections."""

import ast
from collections.abc import Iterator
from typing import Final

from split_deploy.inspection.syntax import AnyFunction, Imports, dotted, walk, walk_body

_MODULES: Final = ("split_deploy", "split_deploy.coroutines")
_DECORATOR: Final = {f"{module}.blocking_first" for module in _MODULES}
_SECTION: Final = {f"{module}.io" for module in _MODULES}
_OPERATIONS: Final = {f"{module}.parallel_ops" for module in _MODULES}


def walk_on_the_loop(function: AnyFunction, imports: Imports) -> Iterator[ast.AST]:
    """Yield what is in ``function`` itself and runs on the event loop, if it is async.

    That is all of it, but for what ``@blocking_first`` decorates: there it is what is in its
    ``async with io:``. So it is in a function that has any such section, or ``parallel_ops()``: it
    is made for being awaited by one.
    """
    if not is_blocking_first(function, imports):
        yield from walk_body(function)
        return
    for statement in function.body:
        yield from _in_sections(statement, imports)


def is_blocking_first(function: AnyFunction, imports: Imports) -> bool:
    """Whether the code of ``function`` is meant to block outside its sections."""
    decorators = (*function.decorator_list, *imports.class_decorators(function))
    return any(_is_decorator(each, imports) for each in decorators) or any(
        _name(item.context_expr, imports) in _SECTION | _OPERATIONS
        for node in walk_body(function)
        if isinstance(node, ast.AsyncWith)
        for item in node.items
    )


def _is_decorator(node: ast.expr, imports: Imports) -> bool:
    """Whether ``node`` is the decorator, or one that is given it, as ``method_decorator()`` is."""
    if _name(node, imports) in _DECORATOR:
        return True
    return isinstance(node, ast.Call) and any(_is_decorator(each, imports) for each in node.args)


def _name(node: ast.expr, imports: Imports) -> str:
    return imports.full(dotted(node.func if isinstance(node, ast.Call) else node))


def _in_sections(node: ast.AST, imports: Imports) -> Iterator[ast.AST]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        return
    if isinstance(node, ast.AsyncWith):
        names = [_name(item.context_expr, imports) for item in node.items]
        found = next((index for index, name in enumerate(names) if name in _SECTION), None)
        if found is not None:
            for inside in (*node.items[found + 1 :], *node.body):
                yield from walk(inside)
            return
    for child in ast.iter_child_nodes(node):
        yield from _in_sections(child, imports)
