from django.urls import include, path
from dmr.routing import Router

from split_deploy.conf import get_config

from .controllers import AsyncGreeting

router = Router("api/", [path("greeting/", AsyncGreeting.as_view(), name="greeting")])

urlpatterns = [
    path(get_config().async_prefix, include([path(router.prefix, include((router.urls, "live")))])),
]
