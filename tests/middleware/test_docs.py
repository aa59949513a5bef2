"""docs/native-middleware.md: its table has every middleware, and its examples do what it says."""

import re

import django
import pytest
from django.http import Http404, HttpResponse
from django.urls import path

from split_deploy.inspection import inspect_middleware
from split_deploy.middleware._names import NATIVE
from tests.e2e.stack import ROOT

PAGE = (ROOT / "docs" / "native-middleware.md").read_text()
ROWS = dict(re.findall(r"^\| `(\w+Middleware)` \| (\d) \|", PAGE, re.MULTILINE))
EXAMPLES = dict(re.findall(r'^```python title="(.*?)"\n(.*?)^```', PAGE, re.DOTALL | re.MULTILINE))
NEED_AN_APP = ("django.contrib.flatpages.", "django.contrib.redirects.")

HERE = __name__


async def view(request):
    return HttpResponse()


async def missing(request):
    raise Http404


urlpatterns = [path("view/", view), path("missing/", missing)]


def test_the_table_has_every_middleware():
    names = {path.rpartition(".")[2] for path in NATIVE}
    if django.VERSION < (6,):
        names.add("ContentSecurityPolicyMiddleware")
    assert set(ROWS) == names


@pytest.mark.parametrize("path", [path for path in NATIVE if not path.startswith(NEED_AN_APP)])
def test_the_hops_in_django_are_those_that_it_makes(path):
    (report,) = inspect_middleware("async", [path])
    assert report.hops == int(ROWS[path.rpartition(".")[2]])


def example(title, monkeypatch, **names):
    """The class of an example, where Django imports middleware from."""
    namespace = {"__name__": HERE}
    exec(EXAMPLES[title], namespace)
    namespace.update(names)
    for name, value in namespace.items():
        if name in ("TidyMiddleware", "CountingMiddleware"):
            monkeypatch.setattr(f"{HERE}.{name}", value, raising=False)
            return f"{HERE}.{name}"
    raise AssertionError(title)


@pytest.mark.asyncio
async def test_a_subclass_sets_its_header_on_the_event_loop(serve, monkeypatch):
    client = serve(HERE, [example("shop/middleware.py", monkeypatch)])

    response = await client.get("/view/")
    assert (response.headers["X-Tidy"], response.hops) == ("yes", 0)


@pytest.mark.asyncio
async def test_a_subclass_may_leave_by_a_coroutine(serve, monkeypatch):
    noted = []
    without = await serve(HERE, []).get("/missing/")
    client = serve(HERE, [example("shop/counting.py", monkeypatch, note=noted.append)])

    assert (await client.get("/view/")).hops == 0
    response = await client.get("/missing/")
    assert noted == ["/missing/"]
    assert response.hops == without.hops + 1


def test_the_first_block_is_the_settings_of_this_project():
    name = "settings/components/http.py"
    assert EXAMPLES[name] == f'--8<-- "{name}:MIDDLEWARE"\n'
    assert "MIDDLEWARE = native(\n" in (ROOT / name).read_text()
