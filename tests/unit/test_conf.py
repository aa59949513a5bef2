import pytest
from django.core.exceptions import ImproperlyConfigured

from split_deploy.conf import Config, get_config


def test_a_role_is_all_that_has_to_be_said(settings):
    settings.SPLIT_DEPLOY = {"ROLE": "async"}

    assert get_config() == Config(role="async")
    assert get_config().async_prefix == "async/"


def test_every_key_arrives(settings):
    settings.SPLIT_DEPLOY = {
        "ROLE": "sync",
        "ASYNC_PREFIX": "api/live/",
        "SYNC_SETTINGS": "site.sync",
        "ASYNC_SETTINGS": "site.live",
        "SYNC_URLCONF": "site.urls",
        "ASYNC_URLCONF": "site.live_urls",
        "REFUSE_IMPURE": False,
        "BLOCKING_ALLOWED": [("app/async_views.py", "burn_some_meats")],
        "LIFESPAN": ["app.http_client.lifespan"],
        "LOOP_BLOCK_WARNING": 1,
        "LOOP_BLOCK_LIMIT": 2.5,
        "DRAIN_TIMEOUT": 3,
        "THREADS": 16,
        "SHARE_IDLE_THREADS": False,
        "BACKGROUND_TASKS": 50,
        "TASK_THREADS": 2,
        "TASK_PROCESSES": 1,
        "TASK_QUEUE": 10,
    }

    assert get_config() == Config(
        role="sync",
        async_prefix="api/live/",
        sync_settings="site.sync",
        async_settings="site.live",
        sync_urlconf="site.urls",
        async_urlconf="site.live_urls",
        refuse_impure=False,
        blocking_allowed=(("app/async_views.py", "burn_some_meats"),),
        lifespan=("app.http_client.lifespan",),
        loop_block_warning=1.0,
        loop_block_limit=2.5,
        drain_timeout=3.0,
        threads=16,
        share_idle_threads=False,
        background_tasks=50,
        task_threads=2,
        task_processes=1,
        task_queue=10,
    )


def test_a_changed_setting_is_read_again(settings):
    settings.SPLIT_DEPLOY = {"ROLE": "sync"}
    assert get_config().role == "sync"
    settings.SPLIT_DEPLOY = {"ROLE": "mixed"}
    assert get_config().role == "mixed"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "SPLIT_DEPLOY is missing"),
        (["sync"], "SPLIT_DEPLOY is not a dict"),
        ({}, 'SPLIT_DEPLOY["ROLE"] is missing'),
        ({"ROLE": "both"}, "SPLIT_DEPLOY[\"ROLE\"] is 'both': choose one of sync, async, mixed"),
        ({"ROLE": "sync", "ASYNC_PREFX": "x/"}, 'did you mean "ASYNC_PREFIX"?'),
        ({"ROLE": "sync", "THREADS": 0}, "it has to be a whole number, at least 1"),
        ({"ROLE": "sync", "THREADS": True}, "it has to be a whole number, at least 1"),
        ({"ROLE": "sync", "THREADS": 2.5}, "it has to be a whole number, at least 1"),
        ({"ROLE": "sync", "role": "sync"}, 'SPLIT_DEPLOY["role"] is not a known key'),
        ({"ROLE": "sync", "COLOR": "red"}, "Known are: ROLE, ASYNC_PREFIX"),
        ({"ROLE": "sync", "ASYNC_PREFIX": "/async/"}, "no slash first, one last"),
        ({"ROLE": "sync", "ASYNC_PREFIX": "async"}, "no slash first, one last"),
        ({"ROLE": "sync", "ASYNC_PREFIX": ""}, "no slash first, one last"),
        ({"ROLE": "sync", "ASYNC_PREFIX": "a b/"}, "no slash first, one last"),
        ({"ROLE": "sync", "ASYNC_PREFIX": "../"}, "no slash first, one last"),
        ({"ROLE": "sync", "ASYNC_PREFIX": 1}, "has to be a string"),
        ({"ROLE": "sync", "SYNC_SETTINGS": "settings/sync.py"}, "has to be a dotted path"),
        ({"ROLE": "sync", "ASYNC_URLCONF": "async/urls.py"}, "has to be a dotted path"),
        ({"ROLE": "sync", "REFUSE_IMPURE": "no"}, "has to be True or False"),
        ({"ROLE": "sync", "BLOCKING_ALLOWED": "app/views.py"}, "list of (file, function) pairs"),
        ({"ROLE": "sync", "BLOCKING_ALLOWED": ["app/views.py"]}, "a file and a function in it"),
        ({"ROLE": "sync", "LIFESPAN": "app.lifespan"}, "has to be a list of dotted paths"),
        ({"ROLE": "sync", "LIFESPAN": ["app lifespan"]}, 'SPLIT_DEPLOY["LIFESPAN"][0]'),
        ({"ROLE": "sync", "LOOP_BLOCK_LIMIT": 0}, "number of seconds above 0"),
        ({"ROLE": "sync", "LOOP_BLOCK_LIMIT": True}, "number of seconds above 0"),
        ({"ROLE": "sync", "DRAIN_TIMEOUT": "5"}, "number of seconds above 0"),
        ({"ROLE": "sync", "DRAIN_TIMEOUT": float("nan")}, "number of seconds above 0"),
    ],
)
def test_a_mistake_is_named(settings, value, message):
    settings.SPLIT_DEPLOY = value
    with pytest.raises(ImproperlyConfigured) as error:
        get_config()
    assert message in str(error.value)
