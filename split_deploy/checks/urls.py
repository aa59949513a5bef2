"""Each URL is where nginx sends it, and each name leads somewhere, and to one place."""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name for it
from django.shortcuts import resolve_url
from django.urls import Resolver404, get_resolver, get_script_prefix, resolve

from split_deploy.checks import messages
from split_deploy.conf import Role, get_config
from split_deploy.inspection import inspect_urlconf
from split_deploy.reversing import ambiguous_names

_STATUSES: Final = (400, 403, 404, 500)


def check() -> Iterator[CheckMessage]:
    """E011 to W017."""
    config = get_config()
    if config.role != "mixed":
        yield from _check_prefix(config.role, config.async_prefix)
        yield from _check_names()
    yield from _check_login_url()
    yield from _check_error_handlers()


def _check_prefix(role: Role, prefix: str) -> Iterator[CheckMessage]:
    for view in inspect_urlconf():
        inside = _is_inside(view.route, prefix)
        where = str(view.location or view.view)
        if inside is None:
            continue
        if role == "async" and not inside:
            yield Error(
                f"/{view.route} is in the URLconf of the async instance, and outside of /{prefix}: "
                "nginx sends it to the sync one.",
                hint=f'Put it below path("{prefix}", include(...)), or change '
                'SPLIT_DEPLOY["ASYNC_PREFIX"].',
                obj=where,
                id=messages.ASYNC_URL_OUTSIDE_PREFIX,
            )
        elif role == "sync" and inside:
            yield Error(
                f"/{view.route} is in the URLconf of the sync instance, and inside of /{prefix}: "
                "nginx sends it to the async one.",
                hint="Give it another path, move it to the async instance's URLconf, or change "
                'SPLIT_DEPLOY["ASYNC_PREFIX"].',
                obj=where,
                id=messages.SYNC_URL_INSIDE_PREFIX,
            )


# Where a route stops being text: a converter, or what a regular expression means by itself.
_PATTERN: Final = re.compile(r"[<(\[.*+?{|$\\]")


def _is_inside(route: str, prefix: str) -> bool | None:
    """Whether all that ``route`` matches is below ``prefix``; ``None`` if the text can't tell."""
    text = re.sub(r"^(?:\^|\\A)", "", route)
    text = re.sub(r"\\([/_~-])", r"\1", text)
    literal = _PATTERN.split(text, maxsplit=1)[0]
    if literal.startswith(prefix):
        return True
    if prefix.startswith(literal) and literal != text:
        return None
    return False


def _check_names() -> Iterator[CheckMessage]:
    try:
        ambiguous = ambiguous_names()
    except Exception as error:  # noqa: BLE001 - the other URLconf is imported, views and all
        yield Error(
            f"The other instance's URLconf can't be imported: {type(error).__name__}: {error}",
            hint="Its views have to import in both instances, for reverse() to find its names.",
            obj="SPLIT_DEPLOY",
            id=messages.OTHER_URLCONF_DOES_NOT_LOAD,
        )
        return
    for name, own, others in ambiguous:
        yield Error(
            f"The URL name {name!r} is /{own} here and /{others} in the other instance: which of "
            "them reverse() gives depends on where it is called.",
            hint="Rename one of them, or put one into a namespace.",
            obj=name,
            id=messages.AMBIGUOUS_NAME,
        )


def _check_login_url() -> Iterator[CheckMessage]:
    try:
        # Without one there is nothing to resolve, and Django's own need not be used.
        if not settings.LOGIN_URL or not settings.is_overridden("LOGIN_URL"):  # type: ignore[misc]
            return
        url = resolve_url(settings.LOGIN_URL)
    except Exception as error:  # noqa: BLE001 - a lazy one may import the other URLconf
        # Not the value itself: if it is lazy, to show it is to fail again.
        yield Error(
            f"LOGIN_URL is no URL, and not the name of one in {settings.ROOT_URLCONF}: {error}",
            hint="A name of the other instance is found by split_deploy: "
            'LOGIN_URL = split_deploy.reverse_lazy("login").',
            obj="LOGIN_URL",
            id=messages.LOGIN_URL_DOES_NOT_RESOLVE,
        )
    else:
        path = urlsplit(url).path
        if urlsplit(url).netloc or not path.startswith("/"):
            return  # another site's
        config = get_config()
        urlconfs = (settings.ROOT_URLCONF, config.sync_urlconf, config.async_urlconf)
        if not any(_resolves(path, urlconf) for urlconf in urlconfs):
            yield Warning(
                f"LOGIN_URL is {url!r}, which is no URL of either instance.",
                hint="Correct it, or silence this if something else behind nginx serves it.",
                obj="LOGIN_URL",
                id=messages.LOGIN_URL_LEADS_NOWHERE,
            )


def _resolves(path: str, urlconf: str) -> bool:
    try:
        resolve("/" + path.removeprefix(get_script_prefix()), urlconf)
    except Resolver404:
        return False
    except Exception:  # noqa: BLE001 - it can't be imported, which E005 and E016 say
        return True
    return True


def _check_error_handlers() -> Iterator[CheckMessage]:
    resolver = get_resolver()
    for status in _STATUSES:
        name = f"handler{status}"
        try:
            handler = resolver.resolve_error_handler(status)
        except Exception as error:  # noqa: BLE001 - whatever an import can raise
            reason = f"can't be imported: {error}"
        else:
            if not iscoroutinefunction(handler):
                continue
            reason = "is async, and Django calls error handlers as they are, in both instances"
        yield Error(
            f"{name} of {settings.ROOT_URLCONF} {reason}.",
            hint=f"Correct {name} in {settings.ROOT_URLCONF}.",
            obj=name,
            id=messages.ERROR_HANDLER_DOES_NOT_FIT,
        )
