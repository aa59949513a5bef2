import asyncio
import doctest
import re
import sys
import threading
import uuid
from types import ModuleType

import pytest
from asgiref.sync import sync_to_async
from django import urls
from django.contrib.auth.decorators import login_required, user_passes_test
from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template import Context, RequestContext, Template, TemplateSyntaxError
from django.test import AsyncClient, Client, RequestFactory
from django.urls import NoReverseMatch, ResolverMatch, include, path, re_path
from django.utils import translation
from django.views import View
from django.views.generic import RedirectView

from split_deploy import reverse, reverse_lazy
from split_deploy.reversing import ambiguous_names
from tests.e2e.stack import ROOT
from tests.unit import _reversing_shapes as shapes

ID = uuid.UUID("9a7a1a5e-54a6-4a0f-8d0b-3f3f7f4d6f10")
BOTH_ROLES = pytest.mark.parametrize("role", ["sync", "async"])


def view(request):
    return HttpResponse(request.path)


@pytest.fixture
def project(settings, monkeypatch):
    """``project("async", own=[...], sibling=[...])``: a project of these patterns, in that role."""

    def make(role, *, own=(), sibling=()):
        for name, patterns in (("own_urls", own), ("sibling_urls", sibling)):
            module = ModuleType(name)
            module.urlpatterns = list(patterns)
            monkeypatch.setitem(sys.modules, name, module)
        other = {"sync": "async", "async": "sync", "mixed": "sync"}[role]
        settings.SPLIT_DEPLOY = {"ROLE": role, f"{other.upper()}_URLCONF": "sibling_urls"}
        if role != "mixed":
            settings.SPLIT_DEPLOY |= {f"{role.upper()}_URLCONF": "own_urls"}
        settings.ROOT_URLCONF = "own_urls"

    yield make
    urls.clear_script_prefix()


@pytest.fixture(params=["sync", "async"])
def role(request):
    return request.param


@pytest.fixture(params=["own", "sibling"])
def home(request):
    """Which of the two URLconfs has the names that are reversed."""
    return request.param


@pytest.fixture
def with_shapes(project, role, home):
    """A project with every shape of pattern in one URLconf and something else in the other one."""
    elsewhere = {"own": "sibling", "sibling": "own"}[home]
    other = [path("other/", view, name="other")]
    project(role, **{home: shapes.urlpatterns, elsewhere: other})


def outcome(function, *args, **kwargs):
    """What ``function`` returns, or the type of what it raises."""
    try:
        return function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
        return type(error)


# The same as django.urls.reverse()

CASES = [
    # name, args, kwargs, result
    ("plain", (), {}, "/plain/"),
    ("plain", (1,), {}, NoReverseMatch),
    ("plain", (), {"pk": 1}, NoReverseMatch),
    ("no-slash", (), {}, "/no-slash"),
    ("int", (7,), {}, "/int/7/"),
    ("int", ("7",), {}, "/int/7/"),
    ("int", (), {"pk": 7}, "/int/7/"),
    ("int", (), {}, NoReverseMatch),
    ("int", (), {"id": 7}, NoReverseMatch),
    ("int", (1, 2), {}, NoReverseMatch),
    ("int", ("seven",), {}, NoReverseMatch),
    ("int", (-7,), {}, NoReverseMatch),
    ("int", ("",), {}, NoReverseMatch),
    ("int", (7,), {"pk": 7}, ValueError),
    ("str", ("word",), {}, "/str/word/"),
    ("str", ("two words",), {}, "/str/two%20words/"),
    ("str", ("a/b",), {}, NoReverseMatch),
    ("str", ("ä",), {}, "/str/%C3%A4/"),
    ("str", ("50%",), {}, "/str/50%25/"),
    ("str", ("?#[]",), {}, "/str/%3F%23%5B%5D/"),
    ("str", ("!$&'()*+,;=~:@",), {}, "/str/!$&'()*+,;=~:@/"),
    ("slug", ("a-slug_1",), {}, "/slug/a-slug_1/"),
    ("slug", ("no slug",), {}, NoReverseMatch),
    ("uuid", (ID,), {}, f"/uuid/{ID}/"),
    ("uuid", (), {"id": str(ID)}, f"/uuid/{ID}/"),
    ("uuid", ("no-uuid",), {}, NoReverseMatch),
    ("path", ("a/b/c.txt",), {}, "/path/a/b/c.txt"),
    ("path", ("/a",), {}, "/path//a"),
    ("year", (2024,), {}, "/year/2024/"),
    ("year", (7,), {}, "/year/0007/"),
    ("year", (10_000,), {}, NoReverseMatch),
    ("year", ("x",), {}, NoReverseMatch),
    ("two", (1, 2), {}, "/two/1/2/"),
    ("two", (), {"b": 2, "a": 1}, "/two/1/2/"),
    ("two", (1,), {}, NoReverseMatch),
    ("two", (), {"a": 1}, NoReverseMatch),
    ("two", (1,), {"b": 2}, ValueError),
    ("unicode", ("ö",), {}, "/%C3%BCn%C3%AF%20c%C3%B6d%C3%A9/%C3%B6/"),
    ("percent", (1,), {}, ValueError),
    ("many", (), {}, "/many/"),
    ("many", (3,), {}, "/many/3/"),
    ("many", ("three",), {}, "/many/three/"),
    ("many", (3, "three"), {}, "/many/3/three/"),
    ("many", (), {"slug": "three"}, "/many/three/"),
    ("many", (), {"pk": "three"}, NoReverseMatch),
    ("defaults", (), {}, "/defaults/"),
    ("defaults", (), {"pk": 1}, "/defaults/1/"),
    ("defaults", (), {"pk": 2}, "/defaults/2/"),
    ("named-group", (), {"pk": 5}, "/named/5/"),
    ("named-group", (5,), {}, "/named/5/"),
    ("named-group", ("x",), {}, NoReverseMatch),
    ("unnamed-groups", (5, "x"), {}, "/unnamed/5/x/"),
    ("unnamed-groups", (5,), {}, NoReverseMatch),
    ("unnamed-groups", (), {"a": 5, "b": "x"}, NoReverseMatch),
    ("optional", (), {}, "/optional/"),
    ("optional", (), {"page": 2}, "/optional/page-2/"),
    ("optional", (2,), {}, "/optional/page-2/"),
    ("nested-groups", ("5-x",), {}, "/nested/5-x/"),
    ("nested-groups", (5, "x"), {}, NoReverseMatch),
    ("choice", (), {}, NoReverseMatch),
    ("anything", ("",), {}, "/anything/"),
    ("anything", ("a b?c",), {}, "/anything/a%20b%3Fc"),
    ("two-slashes", ("/evil.example/",), {}, "/%2Fevil.example/"),
    ("flat", (1, "a"), {}, "/flat/1/a/"),
    ("flat", (), {"outer": 1, "inner": "a"}, "/flat/1/a/"),
    ("flat", (), {"inner": "a"}, NoReverseMatch),
    ("inlined", (), {}, "/inlined/"),
    ("extra-kwargs", (), {}, "/extra/kwargs/"),
    ("extra-kwargs", (), {"shade": "blue"}, "/extra/kwargs/"),
    ("extra-kwargs", (), {"shade": "red"}, NoReverseMatch),
    ("polls:index", (), {}, "/polls/"),
    ("polls:detail", (4,), {}, "/polls/4/"),
    ("polls:detail", (), {"pk": 4}, "/polls/4/"),
    ("polls:detail", (), {}, NoReverseMatch),
    ("polls:nothing", (), {}, NoReverseMatch),
    ("polls:inner:leaf", (), {}, "/polls/deep/leaf/"),
    ("polls:outer:leaf", (), {}, NoReverseMatch),
    ("copy:index", (), {}, "/copy/"),
    ("copy:inner:leaf", (), {}, "/copy/deep/leaf/"),
    ("owned:index", ("ada",), {}, "/of/ada/"),
    ("owned:detail", (), {"owner": "ada", "pk": 4}, "/of/ada/4/"),
    ("owned:detail", ("ada", 4), {}, "/of/ada/4/"),
    ("owned:detail", ("no slug", 4), {}, NoReverseMatch),
    ("owned:index", (), {}, NoReverseMatch),
    ("app:index", (), {}, "/last/"),
    ("first:index", (), {}, "/only/"),
    ("second:index", (), {}, "/last/"),
    ("index", (), {}, NoReverseMatch),
    ("nobody:index", (), {}, NoReverseMatch),
    ("in:disguise", (), {}, NoReverseMatch),
    ("nothing", (), {}, NoReverseMatch),
    ("", (), {}, NoReverseMatch),
    (None, (), {}, NoReverseMatch),
    (shapes.named_by_itself, (), {}, "/callable/"),
    (shapes.named_by_itself, (1,), {}, NoReverseMatch),
    (shapes.as_view, (), {}, "/class/"),
    (redirect, (), {}, NoReverseMatch),
    ("tests.unit._reversing_shapes.named_by_itself", (), {}, NoReverseMatch),
    ("news", (), {}, "/en-us/news/"),
    ("translated", (), {}, "/en-us/January"),
    ("i18n-polls:detail", (1,), {}, "/en-us/i18n-polls/1/"),
]


@pytest.mark.usefixtures("with_shapes")
@pytest.mark.parametrize(("name", "args", "kwargs", "result"), CASES)
def test_a_name_is_reversed_as_django_does_it_where_the_name_is(home, name, args, kwargs, result):
    django_s = outcome(urls.reverse, name, f"{home}_urls", args, kwargs)
    assert django_s == result
    assert outcome(reverse, name, args=args, kwargs=kwargs) == result
    assert outcome(lambda: str(reverse_lazy(name, args=args, kwargs=kwargs))) == result


def test_there_are_enough_cases():
    assert len(CASES) >= 60


@pytest.mark.usefixtures("with_shapes")
@pytest.mark.parametrize(
    ("current_app", "result"),
    [
        (None, "/polls/"),
        ("", "/polls/"),
        ("polls", "/polls/"),
        ("copy", "/copy/"),
        ("copy:inner", "/copy/"),
        ("elsewhere", "/polls/"),
    ],
)
def test_the_current_app_chooses_among_the_instances_of_an_application(home, current_app, result):
    assert urls.reverse("polls:index", f"{home}_urls", current_app=current_app) == result
    assert reverse("polls:index", current_app=current_app) == result


@pytest.mark.usefixtures("with_shapes")
@pytest.mark.parametrize(
    ("parts", "result"),
    [
        ({"query": {"a": 1}}, "?a=1"),
        ({"query": {"a": [1, 2]}}, "?a=1&a=2"),
        ({"query": [("b", "x y"), ("a", "ä&")]}, "?b=x+y&a=%C3%A4%26"),
        ({"query": QueryDict("a=1&a=2")}, "?a=1&a=2"),
        ({"query": {}}, ""),
        ({"query": None}, ""),
        ({"fragment": "row-1"}, "#row-1"),
        ({"fragment": ""}, "#"),
        ({"query": {"a": 1}, "fragment": "row-1"}, "?a=1#row-1"),
        ({"query": 5}, TypeError),
    ],
)
def test_query_and_fragment_are_added(home, parts, result):
    expected = result if isinstance(result, type) else f"/int/7/{result}"
    assert outcome(urls.reverse, "int", f"{home}_urls", [7], **parts) == expected
    assert outcome(reverse, "int", args=[7], **parts) == expected


@pytest.mark.usefixtures("with_shapes")
@pytest.mark.parametrize("name", ["news", "translated", "i18n-polls:index"])
@pytest.mark.parametrize("language", ["en-us", "de", "fr"])
def test_i18n_patterns_have_the_prefix_of_the_active_language(home, name, language):
    with translation.override(language):
        url = reverse(name)
        assert url == urls.reverse(name, f"{home}_urls")
    assert url.startswith(f"/{language}/")
    assert not reverse(name).startswith("/de/")


@pytest.mark.usefixtures("with_shapes")
@pytest.mark.parametrize("prefix", ["/", "/shop/", "/shop", "/100%/", "/ü/"])
def test_the_script_name_goes_first(home, prefix):
    urls.set_script_prefix(prefix)
    for name, args in (("plain", ()), ("int", (7,)), ("news", ()), ("owned:detail", ("ada", 4))):
        assert reverse(name, args=args) == urls.reverse(name, f"{home}_urls", args)
    if prefix == "/shop":
        assert reverse("plain") == "/shop/plain/"


@pytest.mark.usefixtures("with_shapes")
def test_a_stated_urlconf_is_the_only_one(home):
    elsewhere = {"own": "sibling_urls", "sibling": "own_urls"}[home]
    assert reverse("plain", f"{home}_urls") == "/plain/"
    with pytest.raises(NoReverseMatch, match=r"^Reverse for 'plain' not found\."):
        reverse("plain", elsewhere)


# Own first, then the sibling's


@BOTH_ROLES
def test_a_name_of_both_is_the_own_one(project, role):
    project(role, own=[path("own/", view, name="x")], sibling=[path("other/", view, name="x")])
    assert reverse("x") == "/own/"


@BOTH_ROLES
def test_arguments_that_only_the_sibling_takes_find_the_sibling_s(project, role):
    project(
        role,
        own=[path("own/<int:pk>/", view, name="x")],
        sibling=[path("other/<slug:slug>/", view, name="x")],
    )
    assert reverse("x", args=[1]) == "/own/1/"
    assert reverse("x", args=["one"]) == "/other/one/"
    assert reverse("x", kwargs={"slug": "1"}) == "/other/1/"


@BOTH_ROLES
def test_a_namespace_of_both_is_completed_by_the_sibling_s(project, role):
    def polls(name):
        return path(f"{name}/", include(([path(f"{name}/", view, name=name)], "polls")))

    project(role, own=[polls("own")], sibling=[polls("other")])
    assert reverse("polls:own") == "/own/own/"
    assert reverse("polls:other") == "/other/other/"


@pytest.mark.parametrize(("role", "other"), [("sync", "async"), ("async", "sync")])
def test_the_error_says_what_was_tried_in_each(project, role, other):
    project(role, own=[path("own/<int:pk>/", view, name="x")])
    with pytest.raises(NoReverseMatch) as error:
        reverse("x", args=["a"])
    assert str(error.value) == (
        "Found in neither URLconf.\n"
        "  In 'own_urls', this instance's: Reverse for 'x' with arguments '('a',)' not found. "
        r"1 pattern(s) tried: ['own/(?P<pk>[0-9]+)/\\Z']"
        "\n"
        f"  In 'sibling_urls', the {other} instance's: Reverse for 'x' not found. "
        "'x' is not a valid view function or pattern name."
    )


def test_the_mixed_role_has_no_sibling(project):
    project("mixed", own=[path("own/", view, name="own")], sibling=[path("x/", view, name="x")])
    assert reverse("own") == "/own/"
    with pytest.raises(NoReverseMatch, match=r"^Reverse for 'x' not found\."):
        reverse("x")
    assert ambiguous_names() == []


@pytest.mark.parametrize("urlconf", ["urls", "async_urls"])
def test_a_test_of_the_other_instance_s_urls_reverses_both(settings, urlconf):
    """As ``pytest.mark.urls`` makes it: the URLconf of one role under the settings of the other."""
    settings.ROOT_URLCONF = urlconf
    assert (reverse("board"), reverse("hello")) == ("/board/", "/async/hello/")


# The sibling's URLconf is imported when it is needed


def test_the_sibling_is_not_imported_for_a_name_of_the_own_urlconf(project, settings):
    project("sync", own=[path("own/", view, name="own")])
    settings.SPLIT_DEPLOY |= {"ASYNC_URLCONF": "no_such_urls"}
    assert reverse("own") == "/own/"


@pytest.mark.parametrize(
    ("role", "key", "of"),
    [
        ("sync", "ASYNC_URLCONF", "settings.async_only"),
        ("async", "SYNC_URLCONF", "settings.sync_only"),
    ],
)
@pytest.mark.parametrize("missing", ["no_such_urls", "no_such_package.urls", "tests.no_such_urls"])
def test_a_sibling_that_is_not_there_is_an_error_that_names_the_key(
    project, settings, role, key, of, missing
):
    project(role)
    settings.SPLIT_DEPLOY |= {key: missing}
    for function in (lambda: reverse("x"), ambiguous_names):
        with pytest.raises(ImproperlyConfigured) as error:
            function()
        assert str(error.value) == (
            f"SPLIT_DEPLOY[\"{key}\"] is '{missing}', which is not a module: "
            f"set it to the ROOT_URLCONF of {of}."
        )


@pytest.mark.parametrize("mistake", ["import no_such_dependency", "1 / 0"])
def test_a_sibling_that_fails_on_import_says_why_it_was_imported(
    project, settings, tmp_path, monkeypatch, mistake
):
    (tmp_path / "broken_urls.py").write_text(mistake)
    monkeypatch.syspath_prepend(tmp_path)
    project("sync")
    settings.SPLIT_DEPLOY |= {"ASYNC_URLCONF": "broken_urls"}
    with pytest.raises((ModuleNotFoundError, ZeroDivisionError)) as error:
        reverse("x")
    assert error.value.__notes__ == ["'broken_urls' was imported because 'x' is not in 'own_urls'."]


# A request with a URLconf of its own


class Tenant:
    """Middleware that gives the request the URLconf that its header names."""

    sync_capable = async_capable = True

    def __new__(cls, get_response):
        def middleware(request):
            request.urlconf = request.headers["Tenant"]
            return get_response(request)

        return middleware


def links(request):
    return HttpResponse(" ".join(outcome(reverse, name) for name in ("page", "root", "other")))


def test_the_urlconf_of_the_request_is_the_own_one(project, settings, monkeypatch):
    tenant = ModuleType("tenant_urls")
    tenant.urlpatterns = [path("links/", links), path("tenant/", view, name="page")]
    monkeypatch.setitem(sys.modules, "tenant_urls", tenant)
    project(
        "sync",
        own=[path("root/", view, name="root"), path("own/", view, name="page")],
        sibling=[path("other/", view, name="other"), path("root-too/", view, name="root")],
    )
    settings.MIDDLEWARE = ["tests.unit.test_reversing.Tenant"]
    response = Client().get("/links/", headers={"Tenant": "tenant_urls"})
    assert response.text == "/tenant/ /root-too/ /other/"
    assert reverse("page") == "/own/"


@pytest.fixture
def three_urlconfs(project, monkeypatch):
    project("sync", sibling=[path("y/", view, name="y")])
    for name in ("a", "b"):
        module = ModuleType(f"{name}_urls")
        module.urlpatterns = [path(f"{name}/", view, name="x")]
        monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.mark.usefixtures("three_urlconfs")
@pytest.mark.asyncio
async def test_a_task_has_its_own_urlconf():
    async def task(urlconf):
        urls.set_urlconf(urlconf)
        for _ in range(3):
            await asyncio.sleep(0)
            assert reverse("y") == "/y/"
        return reverse("x")

    assert await asyncio.gather(task("a_urls"), task("b_urls")) == ["/a/", "/b/"]


@pytest.mark.usefixtures("three_urlconfs")
def test_a_thread_has_its_own_urlconf():
    both, found = threading.Barrier(2, timeout=5), {}

    def thread(urlconf):
        urls.set_urlconf(urlconf)
        both.wait()
        found[urlconf] = (reverse("x"), reverse("y"))

    threads = [threading.Thread(target=thread, args=(name,)) for name in ("a_urls", "b_urls")]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == {"a_urls": ("/a/", "/y/"), "b_urls": ("/b/", "/y/")}


# Lazy URLs, redirects, the login


class Moved(RedirectView):
    url = reverse_lazy("y", fragment="top")  # there is no URLconf with it when this is imported


class Thing:
    def get_absolute_url(self):
        return reverse("y", query={"id": 1})


@BOTH_ROLES
def test_a_lazy_url_can_stand_where_no_urlconf_is_loaded_yet(project, role):
    project(role, own=[path("moved/", Moved.as_view())], sibling=[path("y/", view, name="y")])
    assert Client().get("/moved/")["Location"] == "/y/#top"


@BOTH_ROLES
def test_redirect_takes_a_url_of_the_other_instance(project, role):
    project(role, sibling=[path("y/", view, name="y")])
    assert redirect(reverse("y"))["Location"] == "/y/"
    assert redirect(reverse_lazy("y"))["Location"] == "/y/"
    assert redirect(Thing())["Location"] == "/y/?id=1"


async def hello(request):
    return HttpResponse("hello")


async def is_authenticated(user):
    return user.is_authenticated


class Members(LoginRequiredMixin, View):
    def get(self, request):
        return HttpResponse("hello")


class AsyncHello(View):
    async def get(self, request):
        return HttpResponse("hello")


SYNC_VIEWS = {"decorator": login_required(view), "mixin": Members.as_view()}
ASYNC_VIEWS = {
    "decorator": login_required(hello),
    "decorator of a class": login_required(AsyncHello.as_view()),
    "decorator without a hop": user_passes_test(is_authenticated)(hello),
}
LOGIN = [path("accounts/login/", view, name="login")]


@pytest.fixture
def members(project, settings, home):
    """``members("sync", view)``: a project with that view and a login in either URLconf."""

    def make(role, protected):
        own, sibling = [path("members/", protected)], []
        {"own": own, "sibling": sibling}[home].extend(LOGIN)
        project(role, own=own, sibling=sibling)
        settings.LOGIN_URL = reverse_lazy("login")

    return make


def assert_sent_to_the_login(response):
    assert response.status_code == 302
    assert response["Location"] == "/accounts/login/?next=/members/%3Fa%3Db"


@pytest.mark.parametrize("protected", SYNC_VIEWS.values(), ids=SYNC_VIEWS)
def test_a_sync_view_sends_to_a_login_of_either_instance(members, protected):
    members("sync", protected)
    assert_sent_to_the_login(Client().get("/members/?a=b"))


@pytest.mark.parametrize(
    "protected", [*SYNC_VIEWS.values(), *ASYNC_VIEWS.values()], ids=[*SYNC_VIEWS, *ASYNC_VIEWS]
)
@pytest.mark.asyncio
async def test_a_view_in_the_async_role_sends_to_a_login_of_either_instance(members, protected):
    members("async", protected)
    assert_sent_to_the_login(await AsyncClient().get("/members/?a=b"))


# {% split_url %}

TAGS = [
    # The tag after its name, the context, and what {% url %} makes of it.
    ("'plain'", {}, "/plain/"),
    ('"plain"', {}, "/plain/"),
    ("'int' 7", {}, "/int/7/"),
    ("'int' pk=7", {}, "/int/7/"),
    ("'int' pk", {"pk": 7}, "/int/7/"),
    ("'int' pk=thing.pk", {"thing": {"pk": 7}}, "/int/7/"),
    ("'int' pk|add:1", {"pk": 7}, "/int/8/"),
    ("'int' pk=7 pk=8", {}, "/int/8/"),
    ("'int' missing", {}, NoReverseMatch),
    ("'int' 7 pk=7", {}, ValueError),
    ("'two' 1 2", {}, "/two/1/2/"),
    ("'two' b=2 a=1", {}, "/two/1/2/"),
    ("name", {"name": "plain"}, "/plain/"),
    ("name|lower", {"name": "PLAIN"}, "/plain/"),
    ("name 7", {"name": "int"}, "/int/7/"),
    ("view", {"view": shapes.named_by_itself}, NoReverseMatch),  # called before it is reversed
    ("missing", {}, NoReverseMatch),
    ("'nothing'", {}, NoReverseMatch),
    ("'str' word", {"word": "a&b'c"}, "/str/a&amp;b&#x27;c/"),
    ("'str' word as url", {"word": "a&b"}, "[/str/a&amp;b/]"),
    ("'str' 'two words'", {}, "/str/two%20words/"),
    ("'plain' as url", {}, "[/plain/]"),
    ("'int' pk=7 as url", {}, "[/int/7/]"),
    ("'nothing' as url", {}, "[]"),
    ("'int' 'x' as url", {}, "[]"),
    ("'nothing' as url", {"url": "before"}, "[]"),
    ("'polls:detail' 4", {}, "/polls/4/"),
    ("'polls:index'", {}, "/polls/"),
    ("'owned:detail' owner='ada' pk=4", {}, "/of/ada/4/"),
    ("'news'", {}, "/en-us/news/"),
    ("'unicode' 'ö'", {}, "/%C3%BCn%C3%AF%20c%C3%B6d%C3%A9/%C3%B6/"),
    ("", {}, TemplateSyntaxError),
    ("plain as", {}, NoReverseMatch),
    ("'int' pk=", {}, TemplateSyntaxError),
    ("'int' 7 !", {}, TemplateSyntaxError),
    ("'plain", {}, TemplateSyntaxError),
]


def render(tag, rest, context):
    shown = "[{{ url }}]" if rest.endswith("as url") else ""
    source = f"{{% load split_deploy %}}{{% {tag} {rest} %}}{shown}"
    return Template(source).render(context)


@pytest.fixture
def where_the_names_are(with_shapes, home):
    """Django's tag looks into one URLconf: make it the one with the shapes, for a moment."""

    def run(function, *args):
        urls.set_urlconf(f"{home}_urls")
        try:
            return outcome(function, *args)
        finally:
            urls.set_urlconf(None)

    return run


@pytest.mark.parametrize(("rest", "context", "result"), TAGS)
def test_the_tag_takes_what_url_takes(where_the_names_are, rest, context, result):
    assert where_the_names_are(render, "url", rest, Context(context)) == result
    assert outcome(render, "split_url", rest, Context(context)) == result


@pytest.mark.parametrize("rest", ["", "'int' pk=", "'plain"])
def test_the_tag_explains_a_mistake_as_url_does(rest):
    with pytest.raises(TemplateSyntaxError) as of_url:
        render("url", rest, Context())
    with pytest.raises(TemplateSyntaxError) as of_split_url:
        render("split_url", rest, Context())
    assert str(of_split_url.value) == str(of_url.value).replace("'url'", "'split_url'")


@pytest.mark.parametrize("rest", ["'str' word", "'str' word as url"])
def test_the_tag_escapes_where_url_does(where_the_names_are, rest):
    context = {"word": "a&b"}
    plain = where_the_names_are(render, "url", rest, Context(context, autoescape=False))
    assert "/str/a&b/" in plain
    assert render("split_url", rest, Context(context, autoescape=False)) == plain


@pytest.mark.parametrize(
    ("current_app", "namespaces", "result"),
    [
        ("copy", [], "/copy/"),
        (None, ["copy"], "/polls/"),
        (..., ["copy"], "/copy/"),
        (..., ["copy", "inner"], "/copy/"),
        (..., [], "/polls/"),
        (..., None, "/polls/"),
    ],
)
def test_the_tag_prefers_the_application_that_answers_the_request(
    where_the_names_are, current_app, namespaces, result
):
    request = RequestFactory().get("/")
    if current_app is not ...:
        request.current_app = current_app
    if namespaces is not None:
        request.resolver_match = ResolverMatch(view, (), {}, namespaces=namespaces)
    for context in (RequestContext(request), RequestContext(request, {"request": None})):
        assert where_the_names_are(render, "url", "'polls:index'", context) == result
        assert render("split_url", "'polls:index'", context) == result


@pytest.mark.usefixtures("with_shapes")
def test_the_tag_says_what_was_tried_in_each():
    with pytest.raises(NoReverseMatch, match=r"In 'own_urls'.*\n.*In 'sibling_urls'"):
        render("split_url", "'nothing'", Context())


def test_the_tag_evaluates_an_argument_once(project):
    project("sync", sibling=[path("<int:pk>/", view, name="x")])
    numbers = iter([1, 2, 3])
    assert render("split_url", "'x' next", Context({"next": lambda: next(numbers)})) == "/1/"
    assert next(numbers) == 2


# Names with two meanings


def app(name, *names, namespace=None, route=None):
    patterns = [path(f"{each}/", view, name=each) for each in names]
    return path(f"{route or name}/", include((patterns, name), namespace=namespace))


AMBIGUOUS = [
    ("the same route", [path("a/", view, name="a")], [path("a/", view, name="a")], []),
    ("other names", [path("a/", view, name="a")], [path("b/", view, name="b")], []),
    ("no name", [path("a/", view)], [path("b/", view)], []),
    (
        "two routes",
        [path("a/<int:pk>/", view, name="a")],
        [path("async/a/<int:pk>/", view, name="a")],
        [("a", "a/<int:pk>/", "async/a/<int:pk>/")],
    ),
    (
        "one of many",
        [path("b/", view, name="a"), path("a/", view, name="a")],
        [path("b/", view, name="a")],
        [("a", "a/, b/", "b/")],
    ),
    (
        "includes without a namespace",
        [path("x/", include([path("y/", include([path("z/", view, name="a")]))]))],
        [path("a/", view, name="a")],
        [("a", "x/y/z/", "a/")],
    ),
    ("the same name in another namespace", [app("p", "a")], [app("q", "a")], []),
    (
        "the same name in the same namespace",
        [app("p", "a", "b")],
        [app("p", "a", "c", route="async/p")],
        [("p:a", "p/a/", "async/p/a/")],
    ),
    (
        "an application under two namespaces",
        [app("p", "a", namespace="one", route="one")],
        [app("p", "a", namespace="two", route="two")],
        [("p:a", "one/a/", "two/a/")],
    ),
    (
        "nested namespaces",
        [path("x/", include(([app("q", "a")], "p")))],
        [path("y/", include(([app("q", "a")], "p")))],
        [("p:q:a", "x/q/a/", "y/q/a/")],
    ),
    (
        "regular expressions",
        [re_path(r"^x/", include([re_path(r"^a/$", view, name="a")]))],
        [path("a/", view, name="a")],
        [("a", "x/a/$", "a/")],
    ),
]


@BOTH_ROLES
@pytest.mark.parametrize(
    ("own", "sibling", "expected"), [pytest.param(*case, id=id_) for id_, *case in AMBIGUOUS]
)
def test_names_that_mean_two_urls_are_found(project, role, own, sibling, expected):
    project(role, own=own, sibling=sibling)
    assert ambiguous_names() == expected


def test_the_reference_app_has_no_ambiguous_name():
    assert ambiguous_names() == []


# docs/reversing.md

PAGE = (ROOT / "docs" / "reversing.md").read_text()
FENCES = re.findall(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```', PAGE, re.MULTILINE | re.DOTALL)


def fences(language):
    return [(title, code) for each, title, code in FENCES if each == language]


@pytest.fixture
def shop(role, settings, tmp_path, monkeypatch):
    """The project of the page, in a role."""
    for title, code in fences("python"):
        if title:
            (tmp_path / title).parent.mkdir(exist_ok=True)
            (tmp_path / title).write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    stated = {}
    for title, code in fences("python"):
        if not title:
            exec(code, stated)
    settings.SPLIT_DEPLOY = stated["SPLIT_DEPLOY"] | {"ROLE": role}
    settings.LOGIN_URL = stated["LOGIN_URL"]
    settings.ROOT_URLCONF = stated["SPLIT_DEPLOY"][f"{role.upper()}_URLCONF"]
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


@pytest.mark.usefixtures("shop")
def test_the_sessions_of_the_page_go_as_shown(role):
    shown = "".join(code for title, code in fences("pycon") if title in ("", role))
    examples = doctest.DocTestParser().get_doctest(shown, {}, "page", "docs/reversing.md", 0)
    said = []
    result = doctest.DocTestRunner().run(examples, out=said.append)
    assert (result.failed, "".join(said)) == (0, "")
    assert result.attempted == shown.count(">>> ") >= 8


@pytest.mark.usefixtures("shop")
def test_the_template_of_the_page_renders_as_shown():
    [(_, template)], [(_, html)] = fences("django"), fences("html")
    assert Template(template).render(Context()).strip() == html.strip()


@pytest.mark.usefixtures("shop")
@pytest.mark.asyncio
async def test_the_views_of_the_page_send_to_the_login(role):
    if role == "async":
        response = await AsyncClient().get("/async/account/")
        assert response["Location"] == "/accounts/login/?next=/async/account/"
    else:
        response = await sync_to_async(Client().get)("/articles/tea/")
        assert response["Location"] == "/accounts/login/?next=/articles/tea/"


class AsyncMembers(LoginRequiredMixin, AsyncHello):
    pass


@pytest.mark.asyncio
async def test_what_the_page_says_about_the_mixin_is_true(project):
    project("async", own=[path("members/", AsyncMembers.as_view()), *LOGIN])
    with pytest.raises(TypeError, match="await"):
        await AsyncClient().get("/members/")
