"""Puts the classes of this package where Django's tests look for Django's.

That is patching, which the package itself never does. It happens here only, before the first test
module is imported, and after the apps are loaded, since some middleware needs them.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module, reload
from typing import Any, Final, Literal

import django
from django.apps import apps
from django.utils.module_loading import import_string

from tests.django_suite import async_path, breakage

Mode = Literal["django", "django-async", "sync", "async"]

#: Whose classes, and which path the synchronous tests take.
MODES: Final[dict[Mode, str]] = {
    "sync": "our middleware and handlers; synchronous tests take the sync path",
    "async": "the same; synchronous tests are sent through the async path",
    "django": "Django's own; synchronous tests take the sync path",
    "django-async": "Django's own; synchronous tests are sent through the async path",
}

#: Names the middleware that is made to do nothing, to see that the tests notice.
BREAK: Final = "DJANGO_SUITE_BREAK"

MIDDLEWARE: Final = (
    "django.contrib.admindocs.middleware.XViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.auth.middleware.PersistentRemoteUserMiddleware",
    "django.contrib.auth.middleware.RemoteUserMiddleware",
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.contrib.redirects.middleware.RedirectFallbackMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.sites.middleware.CurrentSiteMiddleware",
    "django.middleware.cache.CacheMiddleware",
    "django.middleware.cache.FetchFromCacheMiddleware",
    "django.middleware.cache.UpdateCacheMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.common.BrokenLinkEmailsMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.security.SecurityMiddleware",
    *(("django.middleware.csp.ContentSecurityPolicyMiddleware",) if django.VERSION >= (6,) else ()),
)

ASGI_HANDLER: Final = "django.core.handlers.asgi.ASGIHandler"
WSGI_HANDLER: Final = "django.core.handlers.wsgi.WSGIHandler"
ASYNC_CLIENT_HANDLER: Final = "django.test.client.AsyncClientHandler"
CLIENT_HANDLER: Final = "django.test.client.ClientHandler"

#: Django's modules that have one of these by name, or a subclass of it, and use it for the tests.
#: (The decorators of views, such as ``csrf_protect``, stay Django's: there are none of ours.)
USED_IN: Final = {
    ASGI_HANDLER: ("django.core.asgi", "django.contrib.staticfiles.handlers"),
    WSGI_HANDLER: ("django.core.wsgi", "django.contrib.staticfiles.handlers"),
}


@dataclass(frozen=True)
class Replaced:
    """A class of Django's, and what has taken its place."""

    path: str
    original: type
    replacement: type

    def __str__(self) -> str:
        ours = self.replacement
        return f"{self.path} -> {ours.__module__}.{ours.__qualname__}"


#: What ``put_in_place()`` did in this process.
done: list[Replaced] = []


def put_in_place(mode: Mode) -> list[Replaced]:
    """Replace Django's classes by those of ``mode``, and return the list.

    Ours are all imported before the first of Django's is replaced: they are subclasses.
    """
    broken = os.environ.get(BREAK, "")
    for path, replacement in list(_pairs(mode, broken)):
        module, _, name = path.rpartition(".")
        done.append(Replaced(path, import_string(path), replacement))
        setattr(import_module(module), name, replacement)
        for user in USED_IN.get(path, ()):
            reload(import_module(user))
    if broken and not any(item.path.endswith(f".{broken}") for item in done):
        raise SystemExit(f"{BREAK}: nothing that is replaced is named {broken!r}.")
    return done


def _pairs(mode: Mode, broken: str) -> Iterator[tuple[str, type]]:
    if mode == "django":
        return
    if mode == "django-async":
        for path in importable():
            yield path, async_path.middleware(import_string(path))
        yield CLIENT_HANDLER, async_path.client_handler(import_string(CLIENT_HANDLER))
        return
    from split_deploy.handlers import NativeASGIHandler, NativeHandler, NativeWSGIHandler
    from split_deploy.middleware import native

    def perhaps_broken(path: str, cls: type) -> type:
        return breakage.doing_nothing(cls) if path.endswith(f".{broken}") else cls

    for path in importable():
        (ours,) = native([path])
        cls = perhaps_broken(path, import_string(ours))
        yield path, async_path.middleware(cls) if mode == "async" else cls
    yield ASGI_HANDLER, perhaps_broken(ASGI_HANDLER, NativeASGIHandler)
    yield WSGI_HANDLER, perhaps_broken(WSGI_HANDLER, NativeWSGIHandler)
    yield ASYNC_CLIENT_HANDLER, _mixed(NativeHandler, ASYNC_CLIENT_HANDLER)
    client = _mixed(NativeHandler, CLIENT_HANDLER)
    yield CLIENT_HANDLER, async_path.client_handler(client) if mode == "async" else client


def importable() -> list[str]:
    """Without those of an app that these tests don't install, whose models can't be imported."""
    optional = ("django.contrib.flatpages", "django.contrib.redirects")
    return [
        path
        for path in MIDDLEWARE
        if not path.startswith(optional) or apps.is_installed(path.rsplit(".", 2)[0])
    ]


def _mixed(mixin: type, path: str) -> type:
    original = import_string(path)
    return type(f"Native{original.__name__}", (mixin, original), {"__module__": __name__})


def left_over() -> list[str]:
    """Where a module of the tests still has a class of Django's that has been replaced.

    Only a module that was imported too early could.
    """
    originals = {id(item.original): item.path for item in done}
    ours = ("django.", "split_deploy.", "tests.django_suite.")
    return [
        f"{module}.{name} is Django's {originals[id(value)]}"
        for module, namespace in _namespaces()
        if not module.startswith(ours)
        for name, value in namespace
        if id(value) in originals and value is not None
    ]


def _namespaces() -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    for name, module in list(sys.modules.items()):
        if name != "__main__" and hasattr(module, "__dict__"):
            yield name, list(vars(module).items())
