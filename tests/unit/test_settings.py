"""The settings as a process of its own loads them, with an environment of its own."""

import json
import os
import re
import subprocess
import sys

import pytest

from split_deploy.middleware import native
from tests.e2e.stack import ROOT, clean_environment

PRODUCTION = {
    "DJANGO_ENV": "production",
    "DJANGO_SECRET_KEY": "fq3DqyRk6mXv0L1cPz8sTnWb2JhYgUe7AiKoE5xM4rVdCwNpZtSuBQlO9G",
    "DJANGO_ALLOWED_HOSTS": "example.com",
    "DATABASE_URL": "postgres://app:secret@127.0.0.1:5432/app",
    "CACHE_URL": "redis://127.0.0.1:6379/0",
}
SHOW = """
import json, sys
from django.conf import settings
print(json.dumps({name: getattr(settings, name, None) for name in sys.argv[1:]}, default=str))
"""


def run(*arguments, settings="settings.sync_only", **env):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=clean_environment() | {"DJANGO_SETTINGS_MODULE": settings, "DJANGO_ENV": "test"} | env,
        capture_output=True,
        text=True,
        check=False,
    )


def load(*names, **kwargs):
    done = run("-c", SHOW, *names, **kwargs)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refusal(**kwargs):
    """The last line of the error with which the settings refuse to load."""
    done = run("-c", SHOW, "DEBUG", **kwargs)
    assert done.returncode != 0, done.stdout
    return done.stderr.strip().splitlines()[-1]


def test_the_two_modules_differ_in_urlconf_and_role_alone():
    # To write the lazy LOGIN_URL down takes a project that is set up.
    every = """
import django, json
from django.conf import settings
django.setup()
known = {name: getattr(settings, name) for name in dir(settings) if name.isupper()}
print(json.dumps(known, default=repr))
"""
    postgres = {"DATABASE_URL": PRODUCTION["DATABASE_URL"]}
    sync = json.loads(run("-c", every, settings="settings.sync_only", **postgres).stdout)
    async_ = json.loads(run("-c", every, settings="settings.async_only", **postgres).stdout)

    assert {name for name in sync if sync[name] != async_[name]} == {
        "ROOT_URLCONF",
        "SPLIT_DEPLOY",
        "SETTINGS_MODULE",
    }
    assert (sync["ROOT_URLCONF"], async_["ROOT_URLCONF"]) == ("urls", "async_urls")
    assert sync["MIDDLEWARE"] == native(sync["MIDDLEWARE"])
    assert sync["SPLIT_DEPLOY"] | {"ROLE": "async"} == async_["SPLIT_DEPLOY"]


def test_the_mixed_module_is_the_async_one_with_the_urls_of_both():
    postgres = {"DATABASE_URL": PRODUCTION["DATABASE_URL"], "ASYNC_DATABASE_CONNECTIONS": "0"}
    names = ("ROOT_URLCONF", "SPLIT_DEPLOY", "MIDDLEWARE", "DATABASES", "INSTALLED_APPS")
    async_ = load(*names, settings="settings.async_only", **postgres)
    mixed = load(*names, settings="settings.mixed", **postgres)

    assert mixed["ROOT_URLCONF"] == "mixed_urls"
    assert mixed["SPLIT_DEPLOY"] == async_["SPLIT_DEPLOY"] | {"ROLE": "mixed"}
    assert {mixed[name] == async_[name] for name in names[2:]} == {True}


SHOW_URLS = """
import django, sys
from importlib import import_module
django.setup()
from split_deploy.inspection import inspect_urlconf
print("\\n".join(f"/{view.route} {view.view}" for view in inspect_urlconf(sys.argv[1])))
"""


def test_the_urls_of_the_mixed_instance_are_those_of_both():
    def urls(module):
        done = run("-c", SHOW_URLS, module, settings="settings.mixed")
        assert done.returncode == 0, done.stderr
        return set(done.stdout.splitlines())

    assert urls("mixed_urls") == urls("urls") | urls("async_urls")


@pytest.mark.parametrize(
    ("settings", "application", "expected"),
    [
        ("settings.sync_only", "wsgi:application", ("gthread", 2, ["127.0.0.1:8001"], "-")),
        (
            "settings.mixed",
            "asgi:application",
            ("uvicorn_worker.UvicornWorker", None, ["127.0.0.1:8000"], "None"),
        ),
    ],
)
def test_gunicorn_s_configuration_is_that_of_the_role(settings, application, expected):
    worker_class, workers, bind, accesslog = expected
    done = run("-m", "gunicorn", "--print-config", application, settings=settings)
    assert done.returncode == 0, done.stderr
    shown = dict(re.findall(r"^(\w+) += (.*)$", done.stdout, re.MULTILINE))
    assert shown["worker_class"] == worker_class
    assert int(shown["workers"]) == (workers or 2 * len(os.sched_getaffinity(0)) + 1)
    assert (shown["bind"], shown["accesslog"]) == (str(bind), accesslog)


def test_what_is_set_wins_over_the_mixed_instance_s_defaults():
    options = {"WEB_CONCURRENCY": "7", "GUNICORN_BIND": "unix:/run/x.sock"}
    done = run(
        "-m", "gunicorn", "--print-config", "asgi:application", settings="settings.mixed", **options
    )
    shown = dict(re.findall(r"^(\w+) += (.*)$", done.stdout, re.MULTILINE))
    assert (shown["workers"], shown["bind"]) == ("7", "['unix:/run/x.sock']")


def test_an_unknown_environment_is_refused():
    assert "DJANGO_ENV='staging': choose one of development, production" in refusal(
        DJANGO_ENV="staging"
    )


def test_an_environment_cannot_be_a_pattern():
    assert "DJANGO_ENV='*': choose one of" in refusal(DJANGO_ENV="*")


@pytest.mark.parametrize("name", sorted(set(PRODUCTION) - {"DJANGO_ENV"}))
@pytest.mark.parametrize("value", [None, ""])
def test_production_refuses_a_missing_variable_and_names_it(name, value):
    env = {key: text for key, text in PRODUCTION.items() if key != name}
    if value is not None:
        env[name] = value
    assert f"Not fit for DJANGO_ENV=production. Set {name}: .env.example" in refusal(**env)


def test_production_names_all_that_is_missing_at_once():
    message = refusal(DJANGO_ENV="production", DATABASE_URL="postgres://app:insecure@postgres/app")
    assert "Set DJANGO_SECRET_KEY, DJANGO_ALLOWED_HOSTS, CACHE_URL: .env.example" in message
    assert "set POSTGRES_PASSWORD to a real one" in message


def test_manage_py_says_what_is_wrong_with_the_settings_in_one_line():
    done = run("manage.py", "check", DJANGO_ENV="production")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "settings.sync_only: Not fit for DJANGO_ENV=production. Set DJANGO_"
    )
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "key",
    ["short", "django-insecure-" + PRODUCTION["DJANGO_SECRET_KEY"], "aB3" * 16 + "x", "a" * 60],
    ids=["short", "insecure", "49", "monotonous"],
)
@pytest.mark.parametrize("name", ["DJANGO_SECRET_KEY", "DJANGO_SECRET_KEY_FALLBACKS"])
def test_production_refuses_a_weak_secret_key(name, key):
    message = refusal(**PRODUCTION | {name: key})
    assert f"{name} starts with 'django-insecure-' or has fewer than 50" in message
    assert key not in message


def test_production_refuses_the_password_of_a_first_try():
    url = "postgres://app:insecure-for-a-first-try-only@postgres/app"
    message = refusal(**PRODUCTION | {"DATABASE_URL": url})
    assert "DATABASE_URL has the password of docker-compose.yml's first try" in message
    assert "insecure-for" not in message


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "DJANGO_SECURE_SSL_REDIRECT",
            "maybe",
            "DJANGO_SECURE_SSL_REDIRECT='maybe' is not a valid bool",
        ),
        ("DJANGO_HSTS_SECONDS", "1h", "DJANGO_HSTS_SECONDS='1h' is not a valid int"),
        ("DATABASE_CONN_MAX_AGE", "1.5", "DATABASE_CONN_MAX_AGE='1.5' is not a valid int"),
        ("TUTORIAL_STEP_SECONDS", "fast", "TUTORIAL_STEP_SECONDS='fast' is not a valid float"),
        ("DATABASE_URL", "postgres://app:pw@host:port/app", "DATABASE_URL is not a database URL"),
        ("DATABASE_URL", "app.sqlite3", "DATABASE_URL is not a database URL"),
        ("CACHE_URL", "memory", "CACHE_URL is not a cache URL"),
        ("CACHE_URL", "redis://host:port/0", "CACHE_URL is not a cache URL"),
        ("DATABASE_URL", "postgres://", "DATABASE_URL is not a database URL"),
        ("DATABASE_CONN_MAX_AGE", "$AGE", "DATABASE_CONN_MAX_AGE='$AGE' is not a valid int"),
        ("DJANGO_HSTS_SECONDS", "-5", "DJANGO_HSTS_SECONDS=-5 is too small: at least 0"),
        ("TUTORIAL_STEP_SECONDS", "nan", "TUTORIAL_STEP_SECONDS=nan is too small"),
        ("DJANGO_LOG_LEVEL", "info", "DJANGO_LOG_LEVEL='info': choose one of DEBUG, INFO"),
        ("DJANGO_ALLOWED_HOSTS", " , ", "DJANGO_ALLOWED_HOSTS has no host in it"),
    ],
)
def test_a_malformed_variable_is_named(name, value, message):
    assert message in refusal(**PRODUCTION | {name: value})


def test_a_password_does_not_reach_the_message():
    for url in ("nosuchdb://app:hunter2@host/app", "postgres://app:hunter2@host:port/app"):
        done = run("-c", "from django.conf import settings; settings.DEBUG", DATABASE_URL=url)
        assert "DATABASE_URL is not a database URL" in done.stderr
        assert "hunter2" not in done.stderr


def test_a_value_may_start_with_a_dollar_sign():
    key = "$" + "k" * 60
    assert load("SECRET_KEY", DJANGO_SECRET_KEY=key)["SECRET_KEY"] == key


def test_a_list_is_read_without_the_spaces_around_its_items():
    hosts = load("ALLOWED_HOSTS", DJANGO_ALLOWED_HOSTS="a.example, b.example,")["ALLOWED_HOSTS"]
    assert hosts == ["a.example", "b.example"]


def test_a_dotenv_file_is_read_and_the_environment_wins_over_it(tmp_path):
    dotenv = tmp_path / ".env"
    dotenv.write_text("DJANGO_LOG_LEVEL=ERROR\nTUTORIAL_STEP_SECONDS=3\n")
    found = load(
        *("LOGGING", "TUTORIAL_STEP_SECONDS"),
        DJANGO_DOTENV=str(dotenv),
        TUTORIAL_STEP_SECONDS="2",
    )
    assert found["LOGGING"]["loggers"]["app"]["level"] == "ERROR"
    assert found["TUTORIAL_STEP_SECONDS"] == 2.0


def test_a_float_is_read_as_python_reads_it():
    assert (
        load("TUTORIAL_STEP_SECONDS", TUTORIAL_STEP_SECONDS="1e-3")["TUTORIAL_STEP_SECONDS"]
        == 0.001
    )


def test_debug_is_off_in_production_whatever_the_environment_says():
    assert load("DEBUG", DJANGO_DEBUG="true", **PRODUCTION)["DEBUG"] is False
    assert load("DEBUG", DJANGO_ENV="development")["DEBUG"] is True
    assert load("DEBUG", DJANGO_ENV="development", DJANGO_DEBUG="0")["DEBUG"] is False


def test_sessions_are_cached_only_where_the_cache_is_shared():
    engine = "SESSION_ENGINE"
    assert load(engine)[engine].endswith(".db")
    assert load(engine, CACHE_URL="redis://127.0.0.1/0")[engine].endswith(".cached_db")


@pytest.mark.parametrize("module", ["settings.sync_only", "settings.async_only"])
def test_check_deploy_finds_nothing_in_production(module):
    done = run(
        *("manage.py", "check", "--deploy", "--fail-level", "DEBUG"), settings=module, **PRODUCTION
    )
    assert done.returncode == 0, done.stderr
    assert "no issues (0 silenced)" in done.stdout


def test_settings_are_included_by_name_and_not_by_pattern():
    for path in (ROOT / "settings").rglob("*.py"):
        for call in re.findall(r"include\((.*?)\)", path.read_text(), re.DOTALL):
            assert not re.search(r"[*?\[]", call), path


def test_every_variable_that_is_read_is_in_the_example_and_the_other_way_round():
    example = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    sources = [*(ROOT / "settings").rglob("*.py"), ROOT / "gunicorn.conf.py"]
    reads = r"(?:env\.(?:bool|cache|choice|cores|database|list|number|str)|environ\.get)"
    reads += r'\(\s*"([A-Z_]+)"'
    read = {name for path in sources for name in re.findall(reads, path.read_text())}
    assert len(read) > 20
    # For the tests alone, and what each entry point has a default of its own for.
    unlisted = {"DJANGO_DOTENV", "DJANGO_SETTINGS_MODULE"}
    assert read - unlisted <= example, read - example
    runner = (ROOT / "split_deploy" / "run").rglob("*.py")
    compose = [ROOT / "docker-compose.yml"]
    elsewhere = "".join(path.read_text() for path in [*runner, *compose])
    unread = {name for name in example - read if not re.search(rf"\b{name}\b", elsewhere)}
    assert unread <= {name for name in example if name.startswith("UVICORN_")}


def test_the_example_can_be_copied_as_it_is():
    """Its defaults are the real ones: with or without it, the settings are the same."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    env = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line))
    names = ("DEBUG", "ALLOWED_HOSTS", "DATABASES", "CACHES", "STATIC_ROOT", "TUTORIAL_ENDPOINT")
    plain = load(*names, DJANGO_ENV="development")
    assert load(*names, **env | {"DJANGO_DOTENV": ""}) == plain
