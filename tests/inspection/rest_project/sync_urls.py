from django.urls import include, path
from dmr.routing import Router

from .controllers import SyncGreeting

router = Router("api/", [path("greeting/", SyncGreeting.as_view(), name="greeting")])

urlpatterns = [path(router.prefix, include((router.urls, "api")))]
