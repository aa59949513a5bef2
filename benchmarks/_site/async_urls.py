from django.urls import include, path

from benchmarks._site import calls, files, streams, views
from benchmarks._site.extra_patterns import extra_patterns

_views = [
    *extra_patterns(views.json_async),
    path("json/", views.json_async),
    path("page/", views.page_async),
    path("read/postgresql/", views.read_async, {"using": "default"}),
    path("read/sqlite/", views.read_async, {"using": "sqlite"}),
    path("write/postgresql/", views.write_async, {"using": "default"}),
    path("write/sqlite/", views.write_async, {"using": "sqlite"}),
    path("orm/", views.orm_async),
    path("five/", views.five_async),
    path("slow/", views.slow_async),
    path("session/", views.session_async),
    path("outbound/", calls.outbound_async),
    path("fan-out/", calls.fan_out_async),
    path("upload/", files.upload_async),
    path("download/", files.download_async),
    path("events/", streams.events),
    path("ticks/", streams.ticks),
    path("plain-stream/", streams.plain_stream),
    path("fetch/<str:kind>/", calls.fetch),
    path("call/", calls.call_async),
    path("call-blocking-first/", calls.call_blocking_first),
]
urlpatterns = [path("async/", include(_views))]
