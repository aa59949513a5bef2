from typing import Any, Final

from django.conf import settings
from django.core.signals import setting_changed
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.common import (
    BrokenLinkEmailsMiddleware as DjangoBrokenLinkEmailsMiddleware,
)
from django.middleware.common import CommonMiddleware as DjangoCommonMiddleware

from split_deploy._loop import in_a_thread
from split_deploy.middleware._headers import stored
from split_deploy.middleware._native import NativeMiddleware

# The Host headers that were accepted, of requests to which nothing else could happen in
# CommonMiddleware.process_request(), and what ALLOWED_HOSTS was then: a project may change it. To
# find that out takes longer than all else.
_accepted: dict[str, Any] = {}
_MOST: Final = 100


class CommonMiddleware(NativeMiddleware, DjangoCommonMiddleware):
    """Django's ``CommonMiddleware``, on the event loop: it looks at strings and at the URLconf."""

    def process_request(self, request: HttpRequest) -> Any:
        """Refuse or redirect the request, if that has to be."""
        host = request.META.get("HTTP_HOST")
        if (
            host in _accepted
            and _accepted[host] == settings.ALLOWED_HOSTS
            and type(request).get_host is HttpRequest.get_host
        ):
            return None
        response: Any = super().process_request(request)
        if host and len(_accepted) < _MOST and _depends_on_host_alone():
            _accepted[host] = settings.ALLOWED_HOSTS[:]
        return response

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Redirect to the URL with a slash, and set Content-Length, if that has to be."""
        if response.status_code == 404:
            return super().process_response(request, response)
        if not (headers := stored(response.headers)):
            return super().process_response(request, response)
        # As Django's, but for the way in which the header is looked for and set.
        if not response.streaming and "content-length" not in headers:
            headers["content-length"] = ("Content-Length", str(len(response.content)))
        return response


def _depends_on_host_alone() -> bool:
    # ALLOWED_HOSTS may be an object of the project's that looks them up.
    return type(settings.ALLOWED_HOSTS) in (list, tuple) and not (
        settings.DISALLOWED_USER_AGENTS or settings.PREPEND_WWW or settings.USE_X_FORWARDED_HOST
    )


def _forget(**_: Any) -> None:
    _accepted.clear()


setting_changed.connect(_forget, dispatch_uid="split_deploy.middleware.common")


class BrokenLinkEmailsMiddleware(NativeMiddleware, DjangoBrokenLinkEmailsMiddleware):
    """Django's ``BrokenLinkEmailsMiddleware``: in a thread when it sends a mail, else not."""

    def leave(self, request: HttpRequest, response: Any) -> Any:
        """Return what ``process_response()`` does, or a coroutine that does."""
        if self._sends_mail(request, response):
            return in_a_thread(self.process_response, request, response)
        return self.process_response(request, response)

    def _sends_mail(self, request: HttpRequest, response: HttpResponseBase) -> bool:
        # What process_response() asks before it sends one, and mail_managers() then.
        if response.status_code != 404 or settings.DEBUG or not self._has_recipients():
            return False
        if not self._is_django_s("is_ignorable_request"):
            return True  # it may ask anybody
        referer = request.META.get("HTTP_REFERER", "")
        path, domain = request.get_full_path(), request.get_host()
        return not self.is_ignorable_request(request, path, domain, referer)

    def _has_recipients(self) -> bool:
        # Django 6.1 has send_mail(), for subclasses to send it to somebody else.
        return bool(settings.MANAGERS) or not self._is_django_s("send_mail")

    def _is_django_s(self, name: str) -> bool:
        django = getattr(DjangoBrokenLinkEmailsMiddleware, name, None)
        return getattr(type(self), name, None) is django
