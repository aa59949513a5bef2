"""More of the example, below the async instance's prefix: sections, adapters, offloading."""

import django
from django.urls import path

from app import async_views

urlpatterns = [
    path("blocking_first/", async_views.summarize_board, name="blocking-first"),
    path("blocking_first/list/", async_views.find_known_urls, name="blocking-first-list"),
    path(
        "adapters/thread_sensitive/",
        async_views.adapt_thread_sensitive,
        name="adapt-thread-sensitive",
    ),
    path("adapters/any_thread/", async_views.adapt_any_thread, name="adapt-any-thread"),
    path("offload/background/", async_views.offload_to_background, name="offload-to-background"),
    path("offload/thread/", async_views.offload_to_thread, name="offload-to-thread"),
    path("offload/process/", async_views.offload_to_process, name="offload-to-process"),
]
if django.VERSION >= (6, 0):
    # Django's tasks framework: 5.2 has none.
    urlpatterns += [path("offload/queue/", async_views.offload_to_queue, name="offload-to-queue")]
