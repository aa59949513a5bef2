from collections.abc import Callable
from typing import Any, Final

from django.http import HttpRequest, HttpResponseNotAllowed, JsonResponse
from django.http.response import HttpResponseBase

from split_deploy import health
from split_deploy.conf import Role, get_config
from split_deploy.middleware._native import NativeMiddleware

_SAFE: Final = ("GET", "HEAD")


class HealthMiddleware(NativeMiddleware):
    """Answer ``healthz/`` (the process lives) and ``readyz/`` (what it needs answers).

    At ``/healthz/`` and ``/readyz/`` in the sync role, below the prefix in the async one, at both
    in the mixed one; 200 or 503, with the reason in a JSON body. It belongs before
    ``SecurityMiddleware`` and ``CommonMiddleware``: a probe comes with an IP address for a host
    name and without TLS, and must be told neither to go away nor to go elsewhere.
    """

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        config = get_config()
        bases: dict[Role, tuple[str, ...]] = {
            "sync": ("/",),
            "async": ("/" + config.async_prefix,),
            "mixed": ("/", "/" + config.async_prefix),
        }
        self._live = {f"{base}healthz/" for base in bases[config.role]}
        self._ready = {f"{base}readyz/" for base in bases[config.role]}

    def process_request(self, request: HttpRequest) -> HttpResponseBase | None:
        """Answer a probe."""
        path = request.path_info
        if path in self._live:
            return _answer(request, health.live)
        if path in self._ready:
            return _answer(request, health.ready)
        return None

    def enter(self, request: HttpRequest) -> Any:
        """Return what ``process_request()`` does, or a coroutine that does."""
        if request.path_info in self._ready:
            return _answer_whether_ready(request)
        return self.process_request(request)


async def _answer_whether_ready(request: HttpRequest) -> HttpResponseBase:
    report = await health.aready()
    return _answer(request, lambda: report)


def _answer(request: HttpRequest, check: Callable[[], health.Report]) -> HttpResponseBase:
    if request.method not in _SAFE:
        return HttpResponseNotAllowed(_SAFE)
    report = check()
    return JsonResponse(
        report.as_json(),
        status=200 if report.ok else 503,
        headers={"Cache-Control": "no-store"},
    )
