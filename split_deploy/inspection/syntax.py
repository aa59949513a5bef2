"""Helpers to read Python source with."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

AnyFunction: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Hit:
    """Something found in a file, from one line to another."""

    kind: str
    message: str
    line: int
    end_line: int

    @classmethod
    def at(cls, node: ast.stmt | ast.expr, kind: str, message: str) -> "Hit":
        return cls(kind, message, node.lineno, node.end_lineno or node.lineno)


class Imports:
    """What the names of a module were imported as, wherever in the module."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree

    @cached_property
    def _names(self) -> dict[str, str]:
        names = {}
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Import):
                for each in node.names:
                    first = each.name.partition(".")[0]
                    names[each.asname or first] = each.name if each.asname else first
            elif isinstance(node, ast.ImportFrom) and not node.level:
                for each in node.names:
                    names[each.asname or each.name] = f"{node.module}.{each.name}"
        return names

    def full(self, name: str) -> str:
        """Return the dotted name that ``name`` stands for: ``sleep`` may be ``time.sleep``."""
        first, dot, rest = name.partition(".")
        return f"{self._names.get(first, first)}{dot}{rest}"

    @cached_property
    def _class_decorators(self) -> dict[int, list[ast.expr]]:
        found: dict[int, list[ast.expr]] = {}
        for node in ast.walk(self._tree):
            if not isinstance(node, ast.ClassDef):
                continue
            named = [
                (keyword.value.value, decorator)
                for decorator in node.decorator_list
                if isinstance(decorator, ast.Call)
                for keyword in decorator.keywords
                if keyword.arg == "name" and isinstance(keyword.value, ast.Constant)
            ]
            for statement in node.body:
                if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    found[id(statement)] = [each for name, each in named if name == statement.name]
        return found

    def class_decorators(self, function: AnyFunction) -> list[ast.expr]:
        """Return what decorates it from its class: ``@method_decorator(..., name="get")``."""
        return self._class_decorators.get(id(function), [])


def source_of(file: str) -> str | None:
    """Return the text of a Python file, or ``None`` if it can't be read."""
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def dotted(node: ast.AST) -> str:
    """Return ``a.b.c`` for the expression that it is, or an empty string for any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    if isinstance(node, ast.Call) and not node.args and dotted(node.func) == "super":
        return "super()"
    return ""


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """Yield ``node`` and what is in it, but not what is in another function."""
    yield node
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        return
    for child in ast.iter_child_nodes(node):
        yield from walk(child)


def walk_body(function: AnyFunction) -> Iterator[ast.AST]:
    """Yield what is in ``function`` itself."""
    for statement in function.body:
        yield from walk(statement)
