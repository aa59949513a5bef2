"""A project's settings become those that stock Django would have."""

import sys
from types import ModuleType

import pytest

from split_deploy import async_database
from split_deploy.bench.stock_values import stock_values
from split_deploy.middleware import native
from tests.startproject import SEVEN


@pytest.fixture
def project(monkeypatch):
    """A settings module, to be filled."""
    module = ModuleType("a_project_settings")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


@pytest.mark.parametrize("module", ["settings.mixed", "benchmarks._site.mixed_settings"])
def test_the_middleware_of_a_project_here_are_djangos_seven(module):
    assert stock_values(module, "asgi")["MIDDLEWARE"] == SEVEN


def test_each_middleware_with_a_native_one_is_djangos_again_and_a_projects_own_stays(project):
    own = "a_project.middleware.Own"
    project.MIDDLEWARE = native(
        [
            "split_deploy.middleware.InstanceMiddleware",
            "django.middleware.gzip.GZipMiddleware",
            own,
            "django.middleware.locale.LocaleMiddleware",
            "split_deploy.middleware.async_database.AsyncDatabaseMiddleware",
        ]
    )

    found = stock_values(project.__name__, "asgi")["MIDDLEWARE"]

    assert found == [
        "django.middleware.gzip.GZipMiddleware",
        own,
        "django.middleware.locale.LocaleMiddleware",
    ]
    assert type(found) is list


def test_under_asgi_no_connection_is_kept_and_under_wsgi_as_the_project_has_it(project):
    project.DATABASES = {
        "default": {"ENGINE": "django.db.backends.postgresql", "CONN_MAX_AGE": 60},
        "other": {"ENGINE": "django.db.backends.sqlite3"},
    }

    under_asgi = stock_values(project.__name__, "asgi")["DATABASES"]
    under_wsgi = stock_values(project.__name__, "wsgi")["DATABASES"]

    assert [database["CONN_MAX_AGE"] for database in under_asgi.values()] == [0, 0]
    assert "OPTIONS" not in under_asgi["other"]
    assert under_wsgi == project.DATABASES
    assert project.DATABASES["default"]["CONN_MAX_AGE"] == 60


@pytest.mark.parametrize(
    ("given", "size"), [({}, 8), ({"SPLIT_DEPLOY": {"THREADS": 3}}, 3)], ids=["default", "given"]
)
def test_under_asgi_postgresql_has_a_pool_of_as_many_connections_as_others_have_threads(
    project, given, size
):
    vars(project).update(given)
    project.DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql"}}

    under_asgi = stock_values(project.__name__, "asgi")["DATABASES"]["default"]

    assert under_asgi["OPTIONS"] == {"pool": {"min_size": size, "max_size": size}}


def test_a_pool_that_the_project_has_stays_and_without_psycopg_pool_there_is_none(
    project, monkeypatch
):
    project.DATABASES = {
        "default": {"ENGINE": "django.db.backends.postgresql", "OPTIONS": {"pool": True}},
        "other": {"ENGINE": "django.db.backends.postgresql", "OPTIONS": {}},
    }
    monkeypatch.setattr("split_deploy.bench.stock_values.find_spec", lambda _name: None)

    found = stock_values(project.__name__, "asgi")["DATABASES"]

    assert [each["OPTIONS"] for each in found.values()] == [{"pool": True}, {}]


def test_the_async_engine_is_djangos_again_without_its_pool_and_app(project):
    project.INSTALLED_APPS = ["app", "django_async_backend"]
    project.DATABASES = {
        "default": {
            "ENGINE": async_database.ENGINE,
            "OPTIONS": {"connect_timeout": 5, "async_pool": {"max_size": 4}},
        }
    }

    found = stock_values(project.__name__, "wsgi")

    assert found["DATABASES"]["default"] == {
        "ENGINE": "django.db.backends.postgresql",
        "OPTIONS": {"connect_timeout": 5},
    }
    assert found["INSTALLED_APPS"] == ["app"]


def test_caches_are_djangos_again(project):
    project.CACHES = {
        "default": {"BACKEND": "split_deploy.cache.RedisCache", "LOCATION": "redis://host"},
        "local": {"BACKEND": "split_deploy.cache.LocMemCache"},
        "own": {"BACKEND": "a_project.Cache"},
    }

    assert stock_values(project.__name__, "asgi")["CACHES"] == {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://host",
        },
        "local": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
        "own": {"BACKEND": "a_project.Cache"},
    }


def test_all_else_stays_and_what_is_no_setting_is_left_out(project):
    project.LANGUAGE_CODE = "nl"
    project.helper = "no setting"

    found = stock_values(project.__name__, "asgi")

    assert found["LANGUAGE_CODE"] == "nl"
    assert "helper" not in found
