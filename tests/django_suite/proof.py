"""Run among Django's tests: what is under test there is ours."""

import os
import re
import sys
import threading

from asgiref.sync import iscoroutinefunction
from asgiref.testing import ApplicationCommunicator
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler, StaticFilesHandler
from django.core.asgi import get_asgi_application
from django.core.signals import request_finished, request_started
from django.http import HttpResponse
from django.test import AsyncClient, AsyncRequestFactory, Client, SimpleTestCase, override_settings
from django.urls import path
from django.utils.module_loading import import_string

from split_deploy.handlers import NativeASGIHandler, NativeHandler, NativeWSGIHandler
from tests.django_suite import replacement
from tests.django_suite.runner import MODE


class ReplacementTests(SimpleTestCase):
    """Fails wherever a test module would get a class of Django's own."""

    def test_each_name_of_djangos_leads_to_ours(self):
        for item in replacement.done:
            with self.subTest(item.path):
                found = import_string(item.path)
                assert found is item.replacement
                assert any(base.__module__.startswith("split_deploy.") for base in found.__mro__), (
                    found
                )

    def test_all_of_them_are_replaced(self):
        paths = {item.path for item in replacement.done}
        handlers = {replacement.ASGI_HANDLER, replacement.WSGI_HANDLER, replacement.CLIENT_HANDLER}
        assert {*replacement.importable(), *handlers} <= paths

    def test_a_module_of_tests_has_got_ours(self):
        for module, name in (
            ("csrf_tests.tests", "CsrfViewMiddleware"),
            ("asgi.tests", "ASGIHandler"),
            ("cache.tests", "UpdateCacheMiddleware"),
        ):
            if module in sys.modules:
                found = vars(sys.modules[module])[name]
                assert found in [item.replacement for item in replacement.done]
        assert replacement.left_over() == []

    def test_the_handler_of_the_static_files_is_ours_too(self):
        assert issubclass(ASGIStaticFilesHandler, NativeASGIHandler)
        assert issubclass(StaticFilesHandler, NativeWSGIHandler)

    def test_the_synchronous_client_goes_the_way_of_the_mode(self):
        handler = Client().handler
        handler.load_middleware()
        is_async = iscoroutinefunction(handler._middleware_chain)
        assert is_async == (os.environ[MODE] == "async")

    async def test_the_asynchronous_client_has_our_handler(self):
        assert isinstance(AsyncClient().handler, NativeHandler)

    @override_settings(ROOT_URLCONF=__name__)
    async def test_a_request_has_our_receivers_and_the_threads_of_our_pool(self):
        application = get_asgi_application()
        for signal in (request_started, request_finished):
            _, receivers = signal._live_receivers(type(application))
            assert "split_deploy.signals" in [item.__module__ for item in receivers]
        request = ApplicationCommunicator(application, AsyncRequestFactory()._base_scope(path="/"))
        await request.send_input({"type": "http.request"})
        await request.receive_output()
        body = (await request.receive_output())["body"].decode()
        assert re.search(r"split-deploy-\d+", body)


def _here(request):
    return HttpResponse(threading.current_thread().name)


urlpatterns = [path("", _here)]
