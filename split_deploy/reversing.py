"""``reverse()`` across the URLconfs of both instances.

The other instance's URLconf is imported at the first name that this one's doesn't have, and its
views with it. Its settings are not, which is why SPLIT_DEPLOY has to name the URLconf: a settings
module that starts with ``from base import *`` shares the dicts of the base with this process, and
would change them here.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from django import urls
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import QueryDict
from django.urls import NoReverseMatch, URLPattern, URLResolver
from django.utils.functional import lazy

from split_deploy.conf import Role, get_config


def reverse(
    viewname: str | Callable[..., Any] | None,
    urlconf: str | None = None,
    args: Sequence[Any] | None = None,
    kwargs: dict[str, Any] | None = None,
    current_app: str | None = None,
    *,
    query: QueryDict | Mapping[str, Any] | Sequence[tuple[str, Any]] | None = None,
    fragment: str | None = None,
) -> str:
    """``django.urls.reverse()``, which also finds the URLs of the other instance.

    Looks into the URLconf of this instance first: that of the request if it has one of its own,
    else ``ROOT_URLCONF``. What is not there is looked up in the other instance's, which
    ``SPLIT_DEPLOY`` names in ``SYNC_URLCONF`` and ``ASYNC_URLCONF``. With ``urlconf``, and in the
    mixed role, there is no other one, and this is Django's function.

    Raises ``NoReverseMatch``, which says what was tried in each of the two, and
    ``ImproperlyConfigured`` if there is no such module as the other URLconf.
    """

    def reverse_in(urlconf: Any) -> str:
        return urls.reverse(
            viewname, urlconf, args, kwargs, current_app, query=query, fragment=fragment
        )

    if urlconf is not None:
        return reverse_in(urlconf)
    own = urls.get_urlconf() or settings.ROOT_URLCONF
    try:
        return reverse_in(own)
    except NoReverseMatch as error:
        sibling = _sibling_of(own)
        if sibling is None:
            raise
        not_here = error
    try:
        sibling.load()
    except Exception as error:
        error.add_note(f"{sibling.urlconf!r} was imported because {viewname!r} is not in {own!r}.")
        raise
    try:
        return reverse_in(sibling.urlconf)
    except NoReverseMatch as not_there:
        raise NoReverseMatch(
            f"Found in neither URLconf.\n"
            f"  In {own!r}, this instance's: {not_here}\n"
            f"  In {sibling.urlconf!r}, the {sibling.role} instance's: {not_there}"
        ) from not_there


reverse_lazy = lazy(reverse, str)


class AmbiguousName(NamedTuple):
    """A name that means one URL in this instance and another in the other.

    A name with several routes has them all, in alphabetical order and separated by commas.
    """

    name: str
    own_route: str
    sibling_route: str


def ambiguous_names() -> list[AmbiguousName]:
    """Return, sorted, the names that both URLconfs have with different routes.

    ``reverse()`` takes such a name for the own instance's, so each instance links elsewhere. Names
    are qualified with their namespaces, of the instance as well as of the application. Imports both
    URLconfs. Raises ``ImproperlyConfigured`` if there is no such module as the other one.
    """
    sibling = _sibling_of(settings.ROOT_URLCONF)
    if sibling is None:
        return []
    sibling.load()
    ours = _routes(urls.get_resolver(settings.ROOT_URLCONF))
    theirs = _routes(urls.get_resolver(sibling.urlconf))
    return [
        AmbiguousName(name, ", ".join(sorted(ours[name])), ", ".join(sorted(theirs[name])))
        for name in sorted(ours.keys() & theirs.keys())
        if ours[name] != theirs[name]
    ]


def foreign_modules() -> set[str]:
    """Return the modules that are loaded here for the other instance's URLconf alone.

    They are its views and what these import; those with URL patterns are left out, because this
    instance's ``reverse()`` reads them.
    """
    return {name for name in _foreign if not hasattr(sys.modules.get(name), "urlpatterns")}


_foreign: set[str] = set()


class _Sibling(NamedTuple):
    role: Role
    urlconf: str

    def load(self) -> None:
        if self.urlconf in sys.modules:
            return
        before = set(sys.modules)
        try:
            import_module(self.urlconf)
        except ModuleNotFoundError as error:
            # Of a module that is there and imports one that isn't, the traceback says enough.
            if error.name is None or not f"{self.urlconf}.".startswith(f"{error.name}."):
                raise
            config = get_config()
            module = config.sync_settings if self.role == "sync" else config.async_settings
            raise ImproperlyConfigured(
                f'SPLIT_DEPLOY["{self.role.upper()}_URLCONF"] is {self.urlconf!r}, which is not a '
                f"module: set it to the ROOT_URLCONF of {module}."
            ) from error
        _foreign.update(sys.modules.keys() - before)


def _sibling_of(own: Any) -> _Sibling | None:
    # By the URLconf and only then by the role: in a test that overrides ROOT_URLCONF, and in a
    # request that overrides its own, the other of the two is what is missing.
    config = get_config()
    sync = _Sibling("sync", config.sync_urlconf)
    async_ = _Sibling("async", config.async_urlconf)
    if own == sync.urlconf:
        return async_
    if own == async_.urlconf:
        return sync
    return {"sync": async_, "async": sync, "mixed": None}[config.role]


def _routes(resolver: URLResolver) -> dict[str, set[str]]:
    routes: dict[str, set[str]] = {}
    for name, route in _named(resolver.url_patterns, "", ""):
        routes.setdefault(name, set()).add(route)
    return routes


def _named(
    patterns: Iterable[URLPattern | URLResolver], namespace: str, before: str
) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        route = before + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLPattern):
            if pattern.name is not None:
                yield namespace + pattern.name, route
        elif pattern.app_name:
            # reverse() takes the name of the application for that of one of its instances.
            for name in {pattern.app_name, pattern.namespace}:
                yield from _named(pattern.url_patterns, f"{namespace}{name}:", route)
        else:
            yield from _named(pattern.url_patterns, namespace, route)
