"""A URLconf with every shape of pattern; test_reversing.py has what reverse() makes of each."""

from django.conf.urls.i18n import i18n_patterns
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path, register_converter
from django.utils.translation import gettext_lazy
from django.views import View


class FourDigits:
    """A year. ``ValueError`` from ``to_url()`` means: this pattern is not the one."""

    regex = "[0-9]{4}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int | str) -> str:
        year = int(value)
        if not 0 <= year <= 9999:
            raise ValueError(value)
        return f"{year:04}"


register_converter(FourDigits, "yyyy")


def view(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse(request.path)


def named_by_itself(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.path)


class ClassBased(View):
    pass


as_view = ClassBased.as_view()

polls = (
    [
        path("", view, name="index"),
        path("<int:pk>/", view, name="detail"),
        path("deep/", include(([path("leaf/", view, name="leaf")], "inner"))),
    ],
    "polls",
)

urlpatterns = [
    path("plain/", view, name="plain"),
    path("no-slash", view, name="no-slash"),
    path("int/<int:pk>/", view, name="int"),
    path("str/<str:word>/", view, name="str"),
    path("slug/<slug:slug>/", view, name="slug"),
    path("uuid/<uuid:id>/", view, name="uuid"),
    path("path/<path:rest>", view, name="path"),
    path("year/<yyyy:year>/", view, name="year"),
    path("two/<int:a>/<int:b>/", view, name="two"),
    path("ünï cödé/<str:word>/", view, name="unicode"),
    path("100%/<int:pk>/", view, name="percent"),
    # One name for several patterns.
    path("many/", view, name="many"),
    path("many/<int:pk>/", view, name="many"),
    path("many/<slug:slug>/", view, name="many"),
    path("many/<int:pk>/<slug:slug>/", view, name="many"),
    # What the pattern passes to the view by itself.
    path("defaults/", view, {"pk": 1}, name="defaults"),
    path("defaults/<int:pk>/", view, name="defaults"),
    re_path(r"^named/(?P<pk>\d+)/$", view, name="named-group"),
    re_path(r"^unnamed/(\d+)/(\w+)/$", view, name="unnamed-groups"),
    re_path(r"^optional/(?:page-(?P<page>\d+)/)?$", view, name="optional"),
    re_path(r"^nested/((\d+)-(\w+))/$", view, name="nested-groups"),
    re_path(r"^choice/(?:a|b)/$", view, name="choice"),
    re_path(r"^anything/(.*)$", view, name="anything"),
    # Without a name.
    path("callable/", named_by_itself),
    path("class/", as_view),
    # Included, with and without a namespace.
    path("flat/<int:outer>/", include([path("<slug:inner>/", view, name="flat")])),
    path("", include([path("inlined/", view, name="inlined")])),
    path("extra/", include([path("kwargs/", view, name="extra-kwargs")]), {"shade": "blue"}),
    path("polls/", include(polls)),
    path("copy/", include(polls, namespace="copy")),
    path("of/<slug:owner>/", include(polls, namespace="owned")),
    path("only/", include(([path("", view, name="index")], "app"), namespace="first")),
    path("last/", include(([path("", view, name="index")], "app"), namespace="second")),
    path("name/with/colon/", view, name="in:disguise"),
    # A path that a browser would take for a host.
    re_path(r"^(/evil\.example/)$", view, name="two-slashes"),
    *i18n_patterns(
        path("news/", view, name="news"),
        path(gettext_lazy("January"), view, name="translated"),
        path("i18n-polls/", include(polls, namespace="i18n-polls")),
    ),
]
