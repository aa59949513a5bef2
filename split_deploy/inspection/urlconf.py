"""All views of a URLconf."""

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.urls import URLPattern, URLResolver
from django.urls.resolvers import LocalePrefixPattern, RegexPattern

from split_deploy.inspection import bodies
from split_deploy.inspection.location import is_installed
from split_deploy.inspection.modes import CallbackReport, Location, ViewReport
from split_deploy.inspection.views import inspect_operations


class URLConfError(ImproperlyConfigured):
    """A URLconf can't be imported, or has no patterns."""


def inspect_urlconf(urlconf: str | None = None) -> list[ViewReport]:
    """Return a report for each URL pattern of ``urlconf``, the dotted path of a module.

    The default is ``settings.ROOT_URLCONF``. A path that Django Ninja serves has a report for each
    of its operations. Raises ``URLConfError``, which names the module at fault.
    """
    try:
        return list(iter_urlconf(urlconf))
    finally:
        bodies.forget()  # a server inspects once, when it starts


def iter_urlconf(urlconf: str | None = None) -> Iterator[ViewReport]:
    """Yield what ``inspect_urlconf()`` returns."""
    name = urlconf if urlconf is not None else settings.ROOT_URLCONF
    # One of our own: Django's is kept for good, with what it has imported.
    resolver = URLResolver(RegexPattern(r"^/"), name)
    # A view that stands at several URLs is inspected once.
    known: dict[int, list[CallbackReport]] = {}
    yield from _walk(_patterns(resolver, name), name, "", (), known)


def _walk(
    patterns: Any,
    urlconf: str,
    route: str,
    namespaces: tuple[str, ...],
    known: dict[int, list[CallbackReport]],
) -> Iterator[ViewReport]:
    for each in patterns:
        if isinstance(each, URLResolver):
            inner = (*namespaces, each.namespace) if each.namespace else namespaces
            below = _patterns(each, urlconf)
            yield from _walk(below, urlconf, _joined(route, each), inner, known)
        elif isinstance(each, URLPattern):
            if id(each.callback) not in known:
                known[id(each.callback)] = inspect_operations(each.callback)
            name = ":".join([*namespaces, each.name]) if each.name else None
            for report in known[id(each.callback)]:
                yield ViewReport(
                    view=report.view,
                    location=report.location,
                    declared=report.declared,
                    effective=report.effective,
                    problems=report.problems,
                    route=_joined(route, each),
                    name=name,
                )
        else:
            raise URLConfError(
                f"The URLconf {urlconf} has {each!r} among its patterns, which is neither a path() "
                "nor an include()."
            )


def _patterns(resolver: URLResolver, urlconf: str) -> Any:
    name = resolver.urlconf_name
    module = name if isinstance(name, str) else getattr(name, "__name__", urlconf)
    try:
        return resolver.url_patterns
    except Exception as error:
        place = _raised_at(error)
        raise URLConfError(
            f"The URLconf {module} can't be inspected, because importing it fails"
            f"{f' at {place}' if place else ''}: {type(error).__name__}: {error}"
        ) from error


def _raised_at(error: Exception) -> Location | None:
    """The innermost line outside of installed packages and the standard library."""
    own = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        if not is_installed(file) and file != __file__ and Path(file).is_file():
            own = Location(file, line)
    return own


def _joined(route: str, pattern: URLPattern | URLResolver) -> str:
    if isinstance(pattern.pattern, LocalePrefixPattern):
        return f"{route}<language>/"
    # As ResolverMatch.route does: only the first of several regular expressions keeps its "^".
    own = str(pattern.pattern)
    return route + own.removeprefix("^") if route else own
