from typing import Any

from django.conf import settings
from django.conf.urls.i18n import is_language_prefix_patterns_used
from django.http import HttpRequest
from django.middleware.locale import LocaleMiddleware as DjangoLocaleMiddleware
from django.utils import translation
from django.utils.translation import trans_real

from split_deploy._loop import in_a_thread
from split_deploy.middleware._native import NativeMiddleware


class LocaleMiddleware(NativeMiddleware, DjangoLocaleMiddleware):
    """Django's ``LocaleMiddleware``: in a thread when a language is read from the disk.

    That is once a process and language.
    """

    def enter(self, request: HttpRequest) -> Any:
        """Return what ``process_request()`` does, or a coroutine that does."""
        if _is_loaded(_language(request)):
            return self.process_request(request)
        return in_a_thread(self.process_request, request)


def _language(request: HttpRequest) -> str:
    """The language that ``process_request()`` finds, but for the default one of some URLconfs."""
    urlconf: Any = getattr(request, "urlconf", settings.ROOT_URLCONF)
    in_path, _ = is_language_prefix_patterns_used(urlconf)
    return translation.get_language_from_request(request, check_path=in_path)


def _is_loaded(language: str) -> bool:
    if not settings.USE_I18N:
        return True
    loaded: Any = trans_real._translations  # type: ignore[attr-defined]
    return language in loaded and settings.LANGUAGE_CODE in loaded
