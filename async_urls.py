"""The URLs of the async instance, all below the prefix that nginx sends to it.

Add your own to the inner list; those of the sync instance are in urls.py.
"""

from django.urls import include, path

from app import async_views
from split_deploy.conf import get_config

urlpatterns = [
    path(
        get_config().async_prefix,
        include(
            [
                path("", async_views.non_blocking, name="non-blocking"),
                path("hello/", async_views.hello, name="hello"),
                path("whoami/", async_views.whoami, name="whoami"),
                path("board/urls/", async_views.list_board, name="board-urls"),
                path("board/<int:pk>/confirm/", async_views.confirm_url, name="board-confirm"),
                path("board/check/", async_views.check_board, name="board-check"),
                path("smoke_some_meats/", async_views.smoke_some_meats, name="smoke-some-meats"),
                path("burn_some_meats/", async_views.burn_some_meats, name="burn-some-meats"),
                path("sync_to_async/", async_views.via_sync_to_async, name="sync-to-async"),
                path("", include("app.example_urls")),
            ]
        ),
    ),
]
