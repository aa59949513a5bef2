import sys

import pytest

from split_deploy.inspection import Location, URLConfError, inspect_urlconf, iter_urlconf
from tests.inspection import urlconfs

WALKED = [
    ("", None, "sync"),
    ("shop/<slug:slug>/", "shop:detail", "sync"),
    ("shop/(?P<year>[0-9]{4})/$", "shop:year", "async"),
    ("shop/deep/<uuid:pk>/", "shop:below:leaf", "async"),
    ("store/<slug:slug>/", "store:detail", "sync"),
    ("store/(?P<year>[0-9]{4})/$", "store:year", "async"),
    ("store/deep/<uuid:pk>/", "store:below:leaf", "async"),
    ("plain/<slug:slug>/", "detail", "sync"),
    ("plain/(?P<year>[0-9]{4})/$", "year", "async"),
    ("plain/deep/<uuid:pk>/", "below:leaf", "async"),
    ("^regex/a/$", "a", "sync"),
    ("page/", "page", "sync"),
    ("<language>/about/", "about", "sync"),
]


@pytest.fixture
def urlconf(tmp_path, monkeypatch):
    """Write modules and forget them when the test is over."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def write(**modules):
        for name, source in modules.items():
            (tmp_path / f"{name}.py").write_text(source)

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_includes_namespaces_regular_expressions_and_languages_are_walked():
    reports = inspect_urlconf("tests.inspection.urlconfs")
    assert [(each.route, each.name, each.effective.mode) for each in reports] == WALKED


def test_the_names_are_those_that_reverse_knows(settings):
    from django.urls import reverse

    settings.ROOT_URLCONF = "tests.inspection.urlconfs"
    for report in inspect_urlconf():
        if report.name is None:
            continue
        kwargs = {
            key: value
            for key, value in {
                "slug": "a",
                "year": "2026",
                "pk": "12345678-1234-5678-1234-567812345678",
            }.items()
            if f"{key}>" in report.route
        }
        assert reverse(report.name, kwargs=kwargs)


def test_a_report_says_what_the_view_is_called_and_where_it_is():
    by_name = {each.name: each for each in iter_urlconf("tests.inspection.urlconfs")}

    detail = by_name["shop:detail"]
    assert detail.view == "tests.inspection.urlconfs.view"
    assert detail.location == Location(urlconfs.__file__, urlconfs.view.__code__.co_firstlineno)
    assert str(detail.location).startswith("tests/inspection/urlconfs.py:")
    assert by_name["page"].view == "django.views.generic.base.TemplateView"


def test_the_settings_urlconf_is_the_default(settings):
    settings.ROOT_URLCONF = "async_urls"
    assert all(each.route.startswith("async/") for each in inspect_urlconf())


def test_the_admin_is_sync_throughout():
    reports = [each for each in inspect_urlconf("urls") if each.route.startswith("admin/")]
    assert len(reports) > 20
    assert all((each.declared.mode, each.effective.mode) == ("sync", "sync") for each in reports)
    assert not any(each.problems for each in reports)


def test_one_odd_callable_does_not_hide_the_others(urlconf):
    urlconf(
        odd_urls=(
            "from django.urls import URLPattern, path\n"
            "from django.urls.resolvers import RoutePattern\n"
            "from tests.inspection.urlconfs import Odd, view\n"
            "urlpatterns = [\n"
            "    path('before/', view),\n"
            "    URLPattern(RoutePattern('odd/', is_endpoint=True), Odd()),\n"
            "    path('after/', view),\n"
            "]\n"
        )
    )
    before, odd, after = inspect_urlconf("odd_urls")

    assert (before.effective.mode, after.effective.mode) == ("sync", "sync")
    assert odd.effective.mode is None
    assert [each.kind for each in odd.problems] == ["not-inspected"]
    assert "don't ask me" in odd.problems[0].message


@pytest.mark.parametrize(
    ("modules", "told"),
    [
        ({"broken_urls": "import nowhere"}, ["URLconf broken_urls", "No module named 'nowhere'"]),
        ({"broken_urls": ""}, ["URLconf broken_urls", "does not appear to have any patterns"]),
        (
            {"broken_urls": "urlpatterns = ['a']"},
            ["URLconf broken_urls", "'a' among its patterns"],
        ),
        (
            {
                "broken_urls": (
                    "from django.urls import include, path\n"
                    "urlpatterns = [path('', include('broken_inner'))]"
                ),
                "broken_inner": "1 / 0",
            },
            ["URLconf broken_urls", "ZeroDivisionError", "broken_inner.py:1"],
        ),
        (
            {
                "broken_urls": (
                    "from django.urls import path\n"
                    "from django.views import View\n"
                    "class Mixed(View):\n"
                    "    def get(self, request): ...\n"
                    "    async def post(self, request): ...\n"
                    "urlpatterns = [path('', Mixed.as_view())]"
                )
            },
            [
                "URLconf broken_urls",
                "Mixed HTTP handlers must either be all sync or all async",
                "broken_urls.py:6",
            ],
        ),
    ],
)
def test_a_urlconf_that_cannot_be_imported_is_an_error_that_names_it(urlconf, modules, told):
    urlconf(**modules)
    with pytest.raises(URLConfError) as error:
        inspect_urlconf("broken_urls")
    for each in told:
        assert each in str(error.value)
