"""What ``BENCHMARK_EXTRA_MIDDLEWARE`` adds."""

from asgiref.sync import iscoroutinefunction
from django.utils.decorators import sync_and_async_middleware


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
