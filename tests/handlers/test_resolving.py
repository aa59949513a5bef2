"""The view of a path is found once, and only where nothing but the path decides."""

import re

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import (
    Resolver404,
    clear_url_caches,
    include,
    path,
    re_path,
    register_converter,
    set_urlconf,
)
from django.urls.converters import StringConverter
from django.urls.resolvers import URLPattern
from django.utils.translation import gettext_lazy

from split_deploy.handlers.resolving import ResolvingOnce

HERE = __name__
urlpatterns = []


class Watched(URLPattern):
    """One of the project's own, which may look at anything."""


async def view(request, *args, **kwargs):
    return HttpResponse()


async def other(request):
    return HttpResponse()


@pytest.fixture
def resolve(settings, monkeypatch):
    """Resolve a path in the URLs that a test gives, as often as it asks, with one handler."""

    settings.ROOT_URLCONF = HERE
    handler = ResolvingOnce()

    def resolved(path_, given=None):
        if given is not None:
            monkeypatch.setattr(__import__(HERE, fromlist=["urlpatterns"]), "urlpatterns", given)
            clear_url_caches()
        request = RequestFactory().get(path_)
        match = handler.resolve_request(request)
        assert request.resolver_match is match
        return match

    resolved.handler = handler
    yield resolved
    set_urlconf(None)
    clear_url_caches()


def remembered(handler):
    return sorted(known for each in handler._resolved.values() if each for known in each)


def test_a_path_without_arguments_is_resolved_once(resolve):
    urls = [
        path("", view, name="home"),
        path("a/", include(([path("b/", other, name="b")], "shop"), namespace="shop")),
    ]
    first, again = resolve("/a/b/", urls), resolve("/a/b/")

    assert remembered(resolve.handler) == ["/a/b/"]
    assert first is not again
    assert repr(first) == repr(again)
    assert vars(first).keys() == vars(again).keys()
    assert (again.func, again.view_name, again.route) == (other, "shop:b", "a/b/")
    assert resolve("/").func is view
    assert remembered(resolve.handler) == ["/", "/a/b/"]


def test_what_a_request_does_to_its_match_no_other_sees(resolve):
    first = resolve("/a/", [path("a/", view)])
    second = resolve("/a/")
    for match in (first, second):
        match.kwargs["pk"] = 1
        match.namespaces.append("mine")
        match.func = None
    third = resolve("/a/")
    assert (third.func, third.kwargs, third.namespaces) == (view, {}, [])


@pytest.mark.parametrize(
    ("pattern", "asked"),
    [
        (path("<int:pk>/", view), "/7/"),
        (path("a/", view, {"extra": []}), "/a/"),
        (re_path(r"^.*$", view), "/whatever/comes/"),
        (re_path(r"^(?P<name>\w+)/$", view), "/a/"),
        (re_path(r"^(\w+)/$", view), "/a/"),
    ],
)
def test_a_path_with_arguments_or_any_path_is_not_kept(resolve, pattern, asked):
    for _ in range(2):
        assert resolve(asked, [pattern]).func is view
    assert remembered(resolve.handler) == []


def test_a_path_that_is_nobody_s_is_not_kept(resolve):
    urls = [path("a/", view)]
    for _ in range(2):
        with pytest.raises(Resolver404):
            resolve("/b/", urls)
    assert remembered(resolve.handler) == []


class Even(StringConverter):
    """A converter whose mind may change, as one that looks into the database."""

    accepts = True

    def to_python(self, value):
        if not self.accepts:
            raise ValueError
        return value


register_converter(Even, "resolving_even")

OWN = {
    "a converter": path("<resolving_even:page>/", other),
    "a pattern": Watched(path("x/", view).pattern, other, {}, "x"),
    "one in an include": path("deep/", include([path("<resolving_even:page>/", other)])),
    "a translated path": path(gettext_lazy("a/"), other),
    "a translated regular expression": re_path(gettext_lazy(r"^b/$"), other),
    "a prefix of the language": i18n_patterns(path("a/", other))[0],
}


@pytest.mark.parametrize("own", OWN.values(), ids=OWN)
def test_nothing_is_kept_where_something_else_may_decide(resolve, own):
    for _ in range(2):
        assert resolve("/about/", [path("about/", view), own]).func is view
    assert remembered(resolve.handler) == []


def test_a_converter_that_changes_its_mind_is_asked_again(resolve, monkeypatch):
    urls = [path("<resolving_even:page>/", other), path("about/", view)]
    monkeypatch.setattr(Even, "accepts", False)
    assert resolve("/about/", urls).func is view
    monkeypatch.setattr(Even, "accepts", True)
    assert resolve("/about/").func is other


def test_other_urls_are_resolved_anew(resolve):
    assert resolve("/a/", [path("a/", view)]).func is view
    assert resolve("/a/", [path("a/", other)]).func is other


def test_a_request_s_own_urlconf_counts(resolve):
    resolve("/a/", [path("a/", view)])
    request = RequestFactory().get("/a/")
    request.urlconf = (path("a/", other),)
    assert resolve.handler.resolve_request(request).func is other


def test_the_urlconfs_that_are_remembered_are_few(resolve):
    for number in range(30):
        resolve(f"/{number}/", [path(f"{number}/", view)])
    assert len(resolve.handler._resolved) <= 8
    assert re.fullmatch(r"/\d+/", remembered(resolve.handler)[-1])
