"""Django's middleware that have a native equivalent, by their dotted paths.

A settings module asks before there are settings and apps, so nothing is imported here.
"""

from collections.abc import Iterable
from typing import Any, Final

import django

_OURS: Final = "split_deploy.middleware."

#: Django's dotted path, and the module of ``split_deploy.middleware`` with a class of that name.
_MODULES: Final = {
    "django.middleware.security.SecurityMiddleware": "security",
    "django.contrib.sessions.middleware.SessionMiddleware": "sessions",
    "django.middleware.common.CommonMiddleware": "common",
    "django.middleware.common.BrokenLinkEmailsMiddleware": "common",
    "django.middleware.csrf.CsrfViewMiddleware": "csrf",
    "django.contrib.auth.middleware.AuthenticationMiddleware": "auth",
    "django.contrib.auth.middleware.LoginRequiredMiddleware": "auth",
    "django.contrib.auth.middleware.RemoteUserMiddleware": "auth",
    "django.contrib.auth.middleware.PersistentRemoteUserMiddleware": "auth",
    "django.contrib.messages.middleware.MessageMiddleware": "messages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware": "clickjacking",
    "django.middleware.locale.LocaleMiddleware": "locale",
    "django.middleware.gzip.GZipMiddleware": "gzip",
    "django.middleware.http.ConditionalGetMiddleware": "http",
    "django.middleware.cache.UpdateCacheMiddleware": "cache",
    "django.middleware.cache.FetchFromCacheMiddleware": "cache",
    "django.middleware.cache.CacheMiddleware": "cache",
    "django.contrib.sites.middleware.CurrentSiteMiddleware": "sites",
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware": "flatpages",
    "django.contrib.redirects.middleware.RedirectFallbackMiddleware": "redirects",
    "django.contrib.admindocs.middleware.XViewMiddleware": "admindocs",
}
if django.VERSION >= (6,):
    _MODULES["django.middleware.csp.ContentSecurityPolicyMiddleware"] = "csp"

#: Each of Django's dotted paths, and the dotted path of its native equivalent.
NATIVE: Final = {
    path: f"{_OURS}{module}.{path.rpartition('.')[2]}" for path, module in _MODULES.items()
}


class MiddlewareList(list[str]):
    """A ``MIDDLEWARE`` setting in which Django's middleware is found under Django's names, too.

    Django's checks for deployment ask ``"django.middleware.security.SecurityMiddleware" in
    settings.MIDDLEWARE``, as do settings modules that change a list: ``in``, ``index()`` and
    ``remove()`` take either name. To iterate it gives the native ones.
    """

    def __contains__(self, path: object) -> bool:
        return super().__contains__(path) or super().__contains__(NATIVE.get(path))  # type: ignore[call-overload]

    def index(self, path: str, /, *bounds: Any) -> int:
        """See ``list``."""
        return super().index(self._own(path), *bounds)

    def remove(self, path: str, /) -> None:
        """See ``list``."""
        super().remove(self._own(path))

    def _own(self, path: str) -> str:
        """The name under which this list has it."""
        return path if super().__contains__(path) else NATIVE.get(path, path)

    def __add__(self, other: list[Any]) -> "MiddlewareList":  # type: ignore[override]
        return MiddlewareList([*self, *other])

    def __radd__(self, other: list[str]) -> "MiddlewareList":
        return MiddlewareList([*other, *self])

    @property
    def without_native(self) -> list[str]:
        """The dotted paths that are neither Django's nor of ``split_deploy``.

        They may be async all the same, which only an import would tell: ``split-deploy check``
        imports them, and says what each costs.
        """
        return [path for path in self if not path.startswith(_OURS)]


def native(middleware: Iterable[str], /) -> MiddlewareList:
    """Return ``MIDDLEWARE`` with Django's middleware replaced by their native equivalents.

    For the settings of all instances::

        MIDDLEWARE = native(MIDDLEWARE)

    The others stay as they are, and are listed in ``MIDDLEWARE.without_native``.
    """
    if isinstance(middleware, str):
        raise TypeError(f"native() takes the MIDDLEWARE setting, and not {middleware!r}.")
    return MiddlewareList(NATIVE.get(path, path) for path in middleware)
