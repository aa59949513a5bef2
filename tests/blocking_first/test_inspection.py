"""What the checks make of a blocking-first view."""

import pytest
from django.http import HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.http import require_safe

from split_deploy import blocking_first
from split_deploy.inspection import inspect_view
from split_deploy.pool import ThreadPool
from tests.inspection.test_source import inspect

__all__ = ["inspect"]


@blocking_first
async def plain(request):
    return HttpResponse()


@blocking_first(pool=ThreadPool(1))
async def with_a_pool(request):
    return HttpResponse()


@require_safe
@blocking_first
async def decorated(request):
    return HttpResponse()


@blocking_first
@require_safe
async def decorating(request):
    return HttpResponse()


class Handlers(View):
    @blocking_first
    async def get(self, request):
        return HttpResponse()

    async def post(self, request):
        return HttpResponse()


@method_decorator(blocking_first, name="get")
class Decorated(View):
    async def get(self, request):
        return HttpResponse()


@pytest.mark.parametrize(
    "view", [plain, with_a_pool, decorated, decorating, Handlers.as_view(), Decorated.as_view()]
)
def test_it_is_async_and_without_a_problem(view):
    report = inspect_view(view)
    assert (report.declared.mode, report.effective.mode) == ("async", "async")
    assert report.problems == ()


IMPORTS = """\
import time, asyncio, split_deploy
from split_deploy import blocking_first, io, parallel_ops
"""
VIEW = """
{decorator}
async def view(request):
    time.sleep(1)
    things = Thing.objects.all()
    async with parallel_ops() as ops:
        time.sleep(1)
        async with io:
            time.sleep(1)
            len(things)
    for thing in things:
        async with split_deploy.io, client.stream(Thing.objects.first()):
            await asyncio.sleep(1)
            await sync_to_async(lambda: time.sleep(1))()
    async_to_sync(f)()
    return len(things), request.user
"""


@pytest.mark.parametrize(
    "decorator",
    [
        "@blocking_first",
        "@blocking_first(pool=POOL)",
        "@split_deploy.blocking_first",
        "@require_safe\n@blocking_first",
        "@method_decorator(blocking_first)",
        "",
    ],
)
def test_only_what_is_in_a_section_blocks_the_loop(inspect, decorator):
    text = IMPORTS + VIEW.format(decorator=decorator)
    lines = text.strip().splitlines()
    found = inspect(text)
    assert [(kind, lines[line - 1].strip()) for kind, line in found] == [
        ("blocking-call", "time.sleep(1)"),
        ("orm-call", "len(things)"),
        ("orm-call", "async with split_deploy.io, client.stream(Thing.objects.first()):"),
    ]
    assert "async with io:" in lines[found[0][1] - 2]


def test_a_handler_may_be_decorated_from_its_class(inspect):
    text = """
    import time
    from split_deploy import blocking_first
    @method_decorator(blocking_first, name="get")
    class Handlers(View):
        async def get(self, request):
            time.sleep(1)
        async def post(self, request):
            time.sleep(1)
    """
    assert inspect(text) == [("blocking-call", 8)]


def test_a_section_of_something_else_excuses_nothing(inspect):
    text = "import time\nfrom elsewhere import io\nasync def view(request):\n    time.sleep(1)\n"
    assert inspect(text + "    async with io:\n        pass\n") == [("blocking-call", 4)]
