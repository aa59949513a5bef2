"""Which view a path belongs to, found once where nothing but the path decides.

Django tries the patterns one by one, in each request: a microsecond each, which in a project with
the admin's is more than all of the middleware take.
"""

from typing import Any, Final, TypeAlias

from django.core.handlers.base import BaseHandler
from django.http import HttpRequest
from django.urls import ResolverMatch, URLPattern, URLResolver, converters, get_resolver
from django.urls.resolvers import RegexPattern, RoutePattern

#: Django's converters, of which each makes the same of the same text.
_CONVERTERS: Final = frozenset(
    {
        converters.IntConverter,
        converters.PathConverter,
        converters.SlugConverter,
        converters.StringConverter,
        converters.UUIDConverter,
    }
)
#: URLconfs. There is one, and others for requests that a middleware gives one.
_MOST: Final = 8

_Known: TypeAlias = dict[str, ResolverMatch]


class ResolvingOnce(BaseHandler):
    """A handler that remembers the views of paths that have no arguments.

    These are as many as there are patterns, whatever clients ask for. A URLconf in which something
    else than the path may decide (a language, a converter or a pattern of the project's own) is
    left to Django altogether. ``django.urls.clear_url_caches()`` lets it forget, too.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._resolved: dict[URLResolver, _Known | None] = {}

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """Return the match, which ``request.resolver_match`` is then, too.

        Raises ``Resolver404``.
        """
        if hasattr(request, "urlconf"):
            return super().resolve_request(request)
        resolver, path = get_resolver(), request.path_info
        known = self._known_of(resolver)
        found = None if known is None else known.get(path)
        if found is None:
            found = resolver.resolve(path)
            # Without arguments, and not by a regular expression that takes any path.
            if known is not None and found.route == path[1:] and not (found.args or found.kwargs):
                known[path] = found
        request.resolver_match = _another(found)
        return request.resolver_match

    def _known_of(self, resolver: URLResolver) -> _Known | None:
        try:
            return self._resolved[resolver]
        except KeyError:
            known: _Known | None = {} if _path_decides(resolver) else None
            if len(self._resolved) >= _MOST:
                self._resolved.clear()
            self._resolved[resolver] = known
            return known


def _another(match: ResolverMatch) -> ResolverMatch:
    """Return one like ``match``, for whoever changes it."""
    if type(match) is not ResolverMatch or match.args or match.kwargs:
        return match
    another = ResolverMatch.__new__(ResolverMatch)
    another.__dict__ = {
        **match.__dict__,
        "kwargs": {},
        "captured_kwargs": {},
        "extra_kwargs": {},
        "app_names": match.app_names.copy(),
        "namespaces": match.namespaces.copy(),
    }
    return another


def _path_decides(resolver: Any) -> bool:
    """Whether there is nothing in ``resolver`` but what Django has for a path."""
    if type(resolver) is URLPattern:
        return _is_plain(resolver.pattern)
    return (
        type(resolver) is URLResolver
        and _is_plain(resolver.pattern)
        and all(map(_path_decides, resolver.url_patterns))
    )


def _is_plain(pattern: Any) -> bool:
    # A translated one is lazy.
    if type(pattern) is RegexPattern:
        return type(pattern._regex) is str  # type: ignore[attr-defined]
    return (
        type(pattern) is RoutePattern
        and type(pattern._route) is str  # type: ignore[attr-defined]
        and all(type(converter) in _CONVERTERS for converter in pattern.converters.values())
    )
