"""A URLconf of URLconfs, for tests of the walk."""

from django.conf.urls.i18n import i18n_patterns
from django.http import HttpResponse
from django.urls import include, path, re_path
from django.views.generic import TemplateView


def view(request, **kwargs):
    return HttpResponse()


async def aview(request, **kwargs):
    return HttpResponse()


class Odd:
    """A callable that answers to no question."""

    def __call__(self, request):
        return HttpResponse()

    def __getattribute__(self, name):
        raise RuntimeError(f"don't ask me for {name}")


inner = [
    path("<slug:slug>/", view, name="detail"),
    re_path(r"^(?P<year>[0-9]{4})/$", aview, name="year"),
    path("deep/", include(([path("<uuid:pk>/", aview, name="leaf")], "deep"), namespace="below")),
]

urlpatterns = [
    path("", view),
    path("shop/", include((inner, "shop"))),
    path("store/", include((inner, "shop"), namespace="store")),
    path("plain/", include(inner)),
    re_path(r"^regex/", include([re_path(r"^a/$", view, name="a")])),
    path("page/", TemplateView.as_view(template_name="a.html"), name="page"),
    *i18n_patterns(path("about/", view, name="about"), prefix_default_language=False),
]
