"""What a project has from elsewhere: middleware that is not native, of each kind."""

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpResponse
from django.utils.decorators import sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin


def synchronous(get_response):
    """A function that knows no async mode."""

    def middleware(request):
        request.seen = ["synchronous"]
        response = get_response(request)
        response.headers["X-Synchronous"] = str(response.status_code)
        return response

    return middleware


@sync_and_async_middleware
def both(get_response):
    """A function for both modes."""
    if iscoroutinefunction(get_response):

        async def middleware(request):
            response = await get_response(request)
            response.headers["X-Both"] = "yes"
            return response
    else:

        def middleware(request):
            response = get_response(request)
            response.headers["X-Both"] = "yes"
            return response

    return middleware


class OnlyAsync:
    """A class that knows no sync mode."""

    sync_capable, async_capable = False, True

    def __init__(self, get_response):
        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request):
        response = await self.get_response(request)
        response.headers["X-Only-Async"] = request.method
        return response


class Hooked(MiddlewareMixin):
    """All of the hooks that there are, on Django's mixin."""

    def process_request(self, request):
        request.hooks = ["request"]
        if request.GET.get("stop") == "request":
            return HttpResponse("stopped in process_request")
        return None

    def process_view(self, request, view, args, kwargs):
        request.hooks.append(f"view {kwargs}")
        if request.GET.get("stop") == "view":
            return HttpResponse("stopped in process_view")
        return None

    def process_exception(self, request, exception):
        request.hooks.append(f"exception {exception!r}")
        if request.GET.get("stop") == "exception":
            return HttpResponse(f"caught {exception!r}", status=418)
        return None

    def process_template_response(self, request, response):
        request.hooks.append("template")
        response.context_data["language"] = "changed"
        return response

    def process_response(self, request, response):
        if request.GET.get("stop") == "response":
            raise LookupError("in process_response")
        response.headers["X-Hooks"] = " ".join(getattr(request, "hooks", ()))
        return response
