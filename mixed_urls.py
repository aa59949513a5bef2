"""The URLs of the mixed instance: those of both, so there is nothing to add here.

In the order in which nginx looks in front of two instances. A handler404 and its like would have
to be named here as well: Django asks the URLconf that it is given, and none that this includes.
"""

from django.contrib.staticfiles.urls import staticfiles_urlpatterns
from django.urls import include, path

urlpatterns = [
    path("", include("async_urls")),
    path("", include("urls")),
    # With DEBUG alone, for a start without nginx: `uvicorn asgi:application --reload`.
    *staticfiles_urlpatterns(),
]
