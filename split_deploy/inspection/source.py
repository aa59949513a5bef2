"""The project's own modules, read and not imported: shared state, and what the event loop suffers.

All of it is inferred from the text, and so it is *suspected*. A line that is meant as it is has a
comment: ``# split-deploy: ok``, or ``# split-deploy: ok[blocking-call]`` for one kind alone.
"""

import ast
import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from django.apps import apps
from django.conf import settings

from split_deploy.inspection.location import is_installed
from split_deploy.inspection.loops import misused_loops
from split_deploy.inspection.modes import Location, Problem
from split_deploy.inspection.on_the_loop import blocking_calls
from split_deploy.inspection.shared_state import shared_state
from split_deploy.inspection.syntax import Hit, Imports, source_of

_MARKER: Final = re.compile(r"#\s*split-deploy:\s*ok(?:\[([\w\s,-]+)\])?")
# What no request runs.
_SKIPPED_FOLDERS: Final = {"migrations", "tests", "management", "__pycache__"}
_SKIPPED_FILES: Final = re.compile(r"(test_.*|.*_test|tests|conftest)\.py")


def project_packages() -> list[str]:
    """Return the packages and modules of the project itself: those of no installed distribution.

    They are the applications in ``INSTALLED_APPS`` and what ``ROOT_URLCONF`` is part of.
    """
    names = [config.name for config in apps.get_app_configs()]
    names.append(settings.ROOT_URLCONF.partition(".")[0])
    own = [name for name in dict.fromkeys(names) if _is_own(name)]
    # A package has its subpackages in it.
    return [name for name in own if not any(name.startswith(f"{other}.") for other in own)]


def inspect_source(packages: Iterable[str]) -> list[Problem]:
    """Return what is suspicious in the modules of ``packages``, dotted names of the project's own.

    Migrations, management commands and tests are left out, and so is whatever can't be parsed.
    Raises ``ModuleNotFoundError`` for a package that can't be found.
    """
    files = dict.fromkeys(file for package in packages for file in _files(package))
    return [problem for file in files for problem in _problems_of(file)]


def _is_own(name: str) -> bool:
    if name.partition(".")[0] == "split_deploy":
        return False
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", [])), None)
    if file is None:
        try:
            file = next(_files(name), None)
        except ModuleNotFoundError:
            return False
    return file is not None and not is_installed(str(file))


def _files(package: str) -> Iterator[Path]:
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {package!r} to inspect.", name=package)
    if spec.submodule_search_locations is None:
        if spec.origin is not None:
            yield Path(spec.origin)
        return
    for folder in map(Path, spec.submodule_search_locations):
        for file in sorted(folder.rglob("*.py")):
            inside = file.relative_to(folder)
            if _SKIPPED_FILES.fullmatch(file.name) or _SKIPPED_FOLDERS & {*inside.parts[:-1]}:
                continue
            yield file


def _problems_of(file: Path) -> Iterator[Problem]:
    text = source_of(str(file))
    try:
        tree = ast.parse(text or "")
    except SyntaxError:
        return
    lines = (text or "").splitlines()
    imports = Imports(tree)
    # One of a kind at a line: a call may be found by its name and by what it is called on.
    hits = {
        (hit.line, hit.kind): hit
        for hit in (
            *shared_state(tree, imports),
            *blocking_calls(tree, imports),
            *misused_loops(tree, imports),
        )
    }
    for _, hit in sorted(hits.items()):
        if not _is_marked(lines, hit):
            location = Location(str(file), hit.line)
            yield Problem(hit.kind, hit.message, "suspected", location)


def _is_marked(lines: list[str], hit: Hit) -> bool:
    for line in lines[hit.line - 1 : hit.end_line]:
        if found := _MARKER.search(line):
            kinds = found[1]
            if kinds is None or hit.kind in {kind.strip() for kind in kinds.split(",")}:
                return True
    return False
