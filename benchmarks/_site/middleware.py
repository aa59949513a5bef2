"""What ``BENCHMARK_EXTRA_MIDDLEWARE`` and ``BENCHMARK_HOOK_MIDDLEWARE`` add."""

from asgiref.sync import iscoroutinefunction
from django.utils.decorators import sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin


@sync_and_async_middleware
def nothing(get_response):
    """Pass each request on, in the mode of the instance."""
    if iscoroutinefunction(get_response):

        async def middleware(request):
            return await get_response(request)

    else:

        def middleware(request):
            return get_response(request)

    return middleware


class Hooks(MiddlewareMixin):
    """As most middleware of packages is: hooks that are sync, so two hops each under ASGI."""

    def process_request(self, request):
        request.is_hooked = True

    def process_response(self, request, response):
        return response
