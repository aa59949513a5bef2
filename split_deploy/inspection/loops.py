"""Tasks that nobody holds, loops inside of a loop, and clients that live for one request."""

import ast
from collections.abc import Iterator
from typing import Final

from split_deploy.inspection.sections import walk_on_the_loop
from split_deploy.inspection.syntax import Hit, Imports, dotted, walk_body

# What makes a task: with asyncio's own functions, and with a method of whatever has that name.
_MAKERS: Final = {"asyncio.create_task", "asyncio.ensure_future"}
_LOOPS: Final = {"loop", "asyncio.get_running_loop", "asyncio.get_event_loop"}
_CLIENTS: Final = {"httpx.AsyncClient", "aiohttp.ClientSession", "redis.asyncio.Redis"}
_RUNNERS: Final = {"asyncio.run": "asyncio.run()", "asgiref.sync.async_to_sync": "async_to_sync()"}


def misused_loops(tree: ast.Module, imports: Imports) -> Iterator[Hit]:
    """Yield the ``lost-task``, ``loop-in-loop`` and ``client-per-request`` of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and _makes_a_task(node.value, imports):
            yield Hit.at(
                node,
                "lost-task",
                "Nobody holds this task. The event loop doesn't: it may be collected half-way, and "
                "its error is lost. Give the coroutine to split_deploy.tasks.background(), or "
                "await it in an asyncio.TaskGroup.",
            )
        elif isinstance(node, ast.AsyncFunctionDef):
            yield from _loops_inside(node, imports)
            if _is_view(node):
                yield from _clients_inside(node, imports)


def _makes_a_task(node: ast.expr, imports: Imports) -> bool:
    if not isinstance(node, ast.Call):
        return False
    if imports.full(dotted(node.func)) in _MAKERS:
        return True
    # A TaskGroup's method of the same name holds its tasks.
    if not isinstance(node.func, ast.Attribute) or node.func.attr != "create_task":
        return False
    owner = node.func.value
    return imports.full(dotted(owner.func if isinstance(owner, ast.Call) else owner)) in _LOOPS


def _loops_inside(function: ast.AsyncFunctionDef, imports: Imports) -> Iterator[Hit]:
    for node in walk_on_the_loop(function, imports):
        if not isinstance(node, ast.Call):
            continue
        # async_to_sync(f) alone may be for a thread; async_to_sync(f)() is called here.
        called = node.func.func if isinstance(node.func, ast.Call) else node.func
        name = imports.full(dotted(called))
        if name not in _RUNNERS or (name != "asyncio.run" and called is node.func):
            continue
        yield Hit.at(
            node,
            "loop-in-loop",
            f"{_RUNNERS[name]} in async {function.name}() fails: there is a running event loop. "
            "Await the coroutine.",
        )


def _is_view(function: ast.AsyncFunctionDef) -> bool:
    arguments = [*function.args.posonlyargs, *function.args.args]
    return any(each.arg == "request" for each in arguments[:2])


def _clients_inside(function: ast.AsyncFunctionDef, imports: Imports) -> Iterator[Hit]:
    for node in walk_body(function):
        if isinstance(node, ast.Call) and (name := imports.full(dotted(node.func))) in _CLIENTS:
            yield Hit.at(
                node,
                "client-per-request",
                f"{function.name}() makes a {name} for one request, with connections that are "
                'thrown away. Open one with the instance, by SPLIT_DEPLOY["LIFESPAN"], and share '
                "it.",
            )
