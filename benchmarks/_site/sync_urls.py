from django.urls import path

from benchmarks._site import calls, files, floods, views
from benchmarks._site.extra_patterns import extra_patterns

urlpatterns = [
    *extra_patterns(views.json_sync),
    path("json/", views.json_sync),
    path("page/", views.page_sync),
    path("read/postgresql/", views.read_sync, {"using": "default"}),
    path("read/sqlite/", views.read_sync, {"using": "sqlite"}),
    path("write/postgresql/", views.write_sync, {"using": "default"}),
    path("write/sqlite/", views.write_sync, {"using": "sqlite"}),
    path("orm/", views.orm_sync),
    path("session/", views.session_sync),
    path("outbound/", calls.outbound_sync),
    path("fan-out/", calls.fan_out_sync),
    path("upload/", files.upload_sync),
    path("download/", files.download_sync),
    path("burn/", floods.burn),
    path("block/", floods.block),
    path("call/", calls.call_sync),
]
