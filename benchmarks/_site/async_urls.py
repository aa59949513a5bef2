from django.urls import include, path

from benchmarks._site import views

_views = [
    path("json/", views.json_async),
    path("orm/", views.orm_async),
    path("five/", views.five_async),
    path("slow/", views.slow_async),
    path("session/", views.session_async),
    path("events/", views.events),
    path("plain-stream/", views.plain_stream),
    path("fetch/<str:kind>/", views.fetch),
    path("call/", views.call_async),
    path("call-blocking-first/", views.call_blocking_first),
]
urlpatterns = [path("async/", include(_views))]
