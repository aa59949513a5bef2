"""The response to an exception: made on the event loop if nothing on the way to it can block.

Django makes all of them in a thread, since the view for an error may render a template or query the
database, and since logging it may send a mail.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from io import BytesIO
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.core.handlers.exception import response_for_exception
from django.http import Http404, HttpRequest
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.template import TemplateDoesNotExist, engines
from django.template.backends.django import DjangoTemplates
from django.template.loaders.cached import Loader as CachedLoader
from django.urls import get_resolver, get_urlconf
from django.views import defaults

from split_deploy.handlers import log

GetResponse = Callable[[HttpRequest], Awaitable[HttpResponseBase]]

#: The status of each kind of exception that Django doesn't take for a mistake of the project.
_STATUS: Final = (
    (Http404, 404),
    (PermissionDenied, 403),
    (MultiPartParserError, 400),
    (BadRequest, 400),
    (SuspiciousOperation, 400),
)

#: Django's view for each of them, and the template that it renders if a project has one.
_DEFAULT: Final[dict[int, tuple[Any, str]]] = {
    400: (defaults.bad_request, defaults.ERROR_400_TEMPLATE_NAME),
    403: (defaults.permission_denied, defaults.ERROR_403_TEMPLATE_NAME),
    404: (defaults.page_not_found, defaults.ERROR_404_TEMPLATE_NAME),
}

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def convert_exception_to_response(get_response: GetResponse) -> GetResponse:
    """Do for a coroutine function what Django's function of the same name does for it."""

    @wraps(get_response)
    async def inner(request: HttpRequest) -> HttpResponseBase:
        try:
            return await get_response(request)
        except Exception as error:  # noqa: BLE001 - no layer lets one through
            return await aresponse_for_exception(request, error)

    return inner


async def aresponse_for_exception(request: HttpRequest, error: Exception) -> HttpResponseBase:
    """Return what Django's ``response_for_exception()`` does, made where it may block."""
    try:
        blocks = can_block(request, error)
    except Exception:  # noqa: BLE001 - the URLconf's, say: Django meets it again, and answers it
        blocks = True
    if blocks:
        # In the request's own thread, where Django takes any: a view for an error that queries the
        # database then finds the connection that the request has.
        return await sync_to_async(response_for_exception)(request, error)
    return response_for_exception(request, error)


def can_block(request: HttpRequest, error: Exception) -> bool:
    """Whether Django may wait for something while it makes the response to ``error``."""
    # A page for a developer shows source files.
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), None)
    if settings.DEBUG or status is None or _log_can_block(error):
        return True
    view, template_name = _DEFAULT[status]
    # Loads a module at most, and only once.
    handler = get_resolver(get_urlconf()).resolve_error_handler(status)
    return handler is not view or not _is_known_missing(template_name) or _token_can_block(request)


def _log_can_block(error: Exception) -> bool:
    if isinstance(error, Http404):
        return False  # the handler logs it
    if isinstance(error, (PermissionDenied, MultiPartParserError, BadRequest)):
        return log.can_block(logging.getLogger("django.request"), logging.WARNING)
    name = f"django.security.{type(error).__name__}"
    return log.can_block(logging.getLogger(name), logging.ERROR)


def _is_known_missing(template_name: str) -> bool:
    """Whether the cache of each template loader has it that there is no such template.

    So the first response of a kind is made in a thread, in which the loaders look for it. Without
    ``DEBUG`` Django's loaders are cached unless a project says otherwise.
    """
    return all(
        isinstance(engine, DjangoTemplates)
        and all(_remembers_none(loader, template_name) for loader in engine.engine.template_loaders)
        for engine in engines.all()
    )


def _remembers_none(loader: Any, template_name: str) -> bool:
    if type(loader) is not CachedLoader:
        return False
    found = loader.get_template_cache.get(loader.cache_key(template_name))
    return isinstance(found, TemplateDoesNotExist) or (
        isinstance(found, type) and issubclass(found, TemplateDoesNotExist)
    )


def _token_can_block(request: HttpRequest) -> bool:
    """Whether the CSRF token, which Django's views have at hand for a template, needs more."""
    if settings.CSRF_USE_SESSIONS:
        return True
    if request.method in _SAFE_METHODS or getattr(request, "csrf_processing_done", False):
        return False
    # The token may be in the form, and to parse it may put uploads on the disk.
    is_form_in_memory = type(getattr(request, "_stream", None)) is BytesIO
    return not is_form_in_memory or request.content_type == "multipart/form-data"
