import pytest
from django.core.exceptions import ImproperlyConfigured

from split_deploy.asgi import get_async_application
from split_deploy.wsgi import get_sync_application


def test_wsgi_under_async_settings_says_which_of_the_two_to_change(settings):
    settings.SPLIT_DEPLOY = {"ROLE": "async"}
    with pytest.raises(ImproperlyConfigured) as error:
        get_sync_application()
    assert "wsgi.py (Gunicorn) serves the sync role" in str(error.value)
    assert "DJANGO_SETTINGS_MODULE=settings.sync_only" in str(error.value)
    assert "with asgi.py (Uvicorn)" in str(error.value)


def test_asgi_under_sync_settings_says_which_of_the_two_to_change(settings):
    settings.SPLIT_DEPLOY = {"ROLE": "sync", "ASYNC_SETTINGS": "site.live"}
    with pytest.raises(ImproperlyConfigured) as error:
        get_async_application()
    assert "asgi.py (Uvicorn) serves the async or mixed role" in str(error.value)
    assert "DJANGO_SETTINGS_MODULE=site.live" in str(error.value)
    assert "with wsgi.py (Gunicorn)" in str(error.value)


@pytest.mark.parametrize("role", ["async", "mixed"])
def test_asgi_serves_the_async_and_the_mixed_role(settings, role):
    settings.SPLIT_DEPLOY = {"ROLE": role, "REFUSE_IMPURE": False}
    assert callable(get_async_application())


def test_wsgi_serves_the_sync_role(settings):
    settings.SPLIT_DEPLOY = {"ROLE": "sync", "REFUSE_IMPURE": False}
    assert callable(get_sync_application())
