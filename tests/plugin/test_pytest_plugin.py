"""The plugin in the project of docs/existing-project.md, tested as docs/testing.md says."""

import re
import textwrap
from pathlib import Path

import pytest
from django.core.management import call_command

pytest_plugins = ["pytester"]

DOCS = Path(__file__).parents[2] / "docs"
FENCE = re.compile(r'^```(\w+) title="([^"]+)"\n(.*?)^```', re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(pytester, monkeypatch):
    """An empty folder, without what this test run has in its environment."""
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return pytester


@pytest.fixture
def mysite(project):
    """What startproject makes, with the files of docs/existing-project.md and docs/testing.md."""
    call_command("startproject", "mysite", str(project.path))
    write_files_of("existing-project.md", project.path)
    write_files_of("testing.md", project.path)
    return project


def write_files_of(page, folder):
    for _, title, code in FENCE.findall((DOCS / page).read_text()):
        name, _, where = title.partition(" ")
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text((path.read_text() if where == "(at its end)" else "") + "\n" + code)


def run(project, test=None, *arguments):
    """Run the project's tests, or only ``test``, with warnings as errors."""
    if test is not None:
        project.makepyfile(test_it=textwrap.dedent(test))
        arguments = ("test_it.py", *arguments)
    return project.runpytest_subprocess("-W", "error", *arguments)


INI = """
[pytest]
DJANGO_SETTINGS_MODULE = mysite.settings
pythonpath = .
asyncio_default_fixture_loop_scope = function
"""


def test_the_page_s_tests_pass(mysite):
    run(mysite).assert_outcomes(passed=6)


@pytest.mark.parametrize("settings", ["mysite.settings_sync", "mysite.settings_async"])
def test_it_does_not_matter_which_settings_the_tests_start_under(mysite, settings):
    run(mysite, None, f"--ds={settings}").assert_outcomes(passed=6)


def test_in_one_test_both_clients_have_their_settings(mysite):
    run(
        mysite,
        """
        import asyncio
        import pytest
        from asgiref.sync import async_to_sync
        from django.conf import settings

        def served_by(sync_client, async_client):
            asynchronous = async_to_sync(async_client.get)("/async/hello/")
            return [
                sync_client.get("/admin/").headers["X-Served-By"],
                asynchronous.headers["X-Served-By"],
                sync_client.get("/admin/").headers["X-Served-By"],
            ]

        def test_in_one_order(sync_client, async_client):
            assert settings.ROOT_URLCONF == "mysite.async_urls"
            assert served_by(sync_client, async_client) == ["sync", "async", "sync"]
            assert settings.ROOT_URLCONF == "mysite.async_urls"

        def test_in_the_other(async_client, sync_client):
            assert settings.ROOT_URLCONF == "mysite.urls"
            assert served_by(sync_client, async_client) == ["sync", "async", "sync"]
            assert settings.ROOT_URLCONF == "mysite.urls"

        @pytest.mark.asyncio
        async def test_gathered(async_client, sync_client):
            paths = ["/async/hello/"] * 5 + ["/async/nowhere/"] * 5
            responses = await asyncio.gather(*map(async_client.get, paths))
            assert [response.status_code for response in responses] == [200] * 5 + [404] * 5
            assert {response.headers["X-Served-By"] for response in responses} == {"async"}
            assert settings.ROOT_URLCONF == "mysite.urls"
        """,
    ).assert_outcomes(passed=3)


@pytest.mark.parametrize("arguments", ["settings, async_client", "async_client, settings"])
def test_afterwards_the_settings_are_as_before(mysite, arguments):
    run(
        mysite,
        f"""
        from django.conf import settings as django_settings

        def test_during({arguments}):
            settings.TIME_ZONE = "Asia/Tokyo"
            assert settings.ROOT_URLCONF == "mysite.async_urls"

        def test_after():
            assert django_settings.ROOT_URLCONF == "mysite.urls"
            assert django_settings.TIME_ZONE == "UTC"
            assert django_settings.SPLIT_DEPLOY["ROLE"] == "sync"
        """,
    ).assert_outcomes(passed=2)


def test_a_setting_of_one_role_alone_is_not_there_in_the_other(mysite):
    with (mysite.path / "mysite" / "settings_sync.py").open("a") as settings:
        settings.write("\nONLY_HERE = 1\nAPPEND_SLASH = False\nHOOK = lambda: 'sync'\n")
    with (mysite.path / "mysite" / "settings_async.py").open("a") as settings:
        settings.write("\nONLY_THERE = 2\nHOOK = lambda: 'async'\n")
        settings.write("ALLOWED_HOSTS = ['example.com']\nDEBUG = False\n")
    run(
        mysite,
        """
        from django.conf import settings

        def names():
            return [name for name in ("ONLY_HERE", "ONLY_THERE") if hasattr(settings, name)]

        def test_async(async_client):
            assert names() == ["ONLY_THERE"]
            assert "testserver" in settings.ALLOWED_HOSTS
            assert settings.APPEND_SLASH is True  # Django's default
            assert settings.HOOK() == "sync"  # can't be pickled

        def test_sync(sync_client):
            assert names() == ["ONLY_HERE"]
        """,
    ).assert_outcomes(passed=2)


def test_what_a_third_module_sets_for_the_tests_stays(mysite):
    with (mysite.path / "mysite" / "settings_async.py").open("a") as settings:
        settings.write("\nMEDIA_URL = '/async-media/'\n")
    (mysite.path / "mysite" / "settings_test.py").write_text(
        "from mysite.settings_sync import *\n\n"
        "MEDIA_URL = '/test-media/'\n"
        "PASSWORD_HASHERS = ['django.contrib.auth.hashers.MD5PasswordHasher']\n"
        "ONLY_IN_TESTS = True\n"
    )
    run(
        mysite,
        """
        from django.conf import settings

        def test_async(async_client):
            assert settings.ROOT_URLCONF == "mysite.async_urls"
            assert settings.SPLIT_DEPLOY["ROLE"] == "async"
            assert settings.MEDIA_URL == "/test-media/"
            assert settings.PASSWORD_HASHERS == ["django.contrib.auth.hashers.MD5PasswordHasher"]
            assert settings.ONLY_IN_TESTS is True
        """,
        "--ds=mysite.settings_test",
    ).assert_outcomes(passed=1)


def test_what_one_module_changes_in_place_does_not_reach_the_other(mysite):
    for name, code in {
        "settings": 'SHARED = {"by": "all"}',
        "settings_async": 'SHARED["by"] = 1',
    }.items():
        with (mysite.path / "mysite" / f"{name}.py").open("a") as settings:
            settings.write(f"\n{code}\n")
    run(
        mysite,
        """
        from django.conf import settings
        from mysite import settings as module

        def test_async(async_client):
            assert settings.SHARED == {"by": 1}
            assert module.SHARED == {"by": "all"}

        def test_sync(sync_client):
            assert settings.SHARED == {"by": "all"}
        """,
    ).assert_outcomes(passed=2)


def test_settings_that_cannot_be_loaded_are_named(mysite):
    (mysite.path / "mysite" / "settings_async.py").write_text("1 / 0")
    result = run(mysite, "def test_async(async_client): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*'mysite.settings_async'*can't be loaded*ZeroDivisionError*"])


def test_a_hop_fails_with_its_call_site(mysite):
    result = run(
        mysite,
        """
        import asyncio
        import pytest
        from asgiref.sync import async_to_sync, sync_to_async

        def work():
            pass

        @pytest.mark.asyncio
        async def test_coroutine(assert_no_hops):
            async with assert_no_hops():
                await sync_to_async(work)()

        @pytest.mark.asyncio
        async def test_pool(assert_no_hops):
            async with assert_no_hops():
                await asyncio.to_thread(work)

        @pytest.mark.asyncio
        async def test_request(assert_no_hops, async_client):
            async with assert_no_hops():
                await async_client.get("/async/hello/")

        def test_below_async_to_sync(assert_no_hops, async_client):
            async def scenario():
                async with assert_no_hops():
                    await sync_to_async(work)()
                    await async_client.get("/async/hello/")

            async_to_sync(scenario)()
        """,
    )
    # The request needs none: its middleware is native.
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(
        [
            "1 thread hop(s) where none is allowed:",
            "1 x test_it.py:11 in test_coroutine runs test_it.work in a thread",
            "1 x test_it.py:16 in test_pool runs test_it.work in a thread",
            "1 thread hop(s) where none is allowed:",
            "1 x test_it.py:* in scenario runs test_it.work in a thread",
        ],
        consecutive=False,
    )


def test_thread_sensitive_work_stays_in_the_thread_in_which_it_is_without_us(mysite):
    run(
        mysite,
        """
        import asyncio
        import threading
        import pytest
        from asgiref.sync import async_to_sync, sync_to_async

        @pytest.mark.asyncio
        async def test_in_an_event_loop(assert_no_hops):
            usual = await sync_to_async(threading.get_ident)()
            with pytest.raises(pytest.fail.Exception):
                async with assert_no_hops():
                    assert await sync_to_async(threading.get_ident)() == usual

        def test_below_async_to_sync(assert_no_hops):
            async def scenario():
                with pytest.raises(pytest.fail.Exception):
                    async with assert_no_hops():
                        assert await sync_to_async(threading.get_ident)() == usual

            usual = threading.get_ident()
            async_to_sync(scenario)()

        @pytest.mark.asyncio
        async def test_a_task_that_outlives_the_block(assert_no_hops):
            async def later():
                await asyncio.sleep(0.01)
                return await sync_to_async(threading.get_ident)()

            async with assert_no_hops():
                task = asyncio.create_task(later())
            assert await task != threading.get_ident()
        """,
    ).assert_outcomes(passed=3)


def test_a_blocking_view_raises_through_the_client(mysite):
    with (mysite.path / "mysite" / "async_urls.py").open("a") as urls:
        urls.write(
            "\n\nasync def nap(request):\n    await async_views.naps()\n"
            'urlpatterns.append(path("async/nap/", nap))\n'
        )
    test = """
        import pytest
        from blockbuster import BlockingError

        @pytest.mark.asyncio
        async def test_it(async_client):
            with pytest.raises(BlockingError):
                await async_client.get("/async/nap/")
        """
    run(mysite, test).assert_outcomes(passed=1)
    with (mysite.path / "mysite" / "settings.py").open("a") as settings:
        settings.write('\nSPLIT_DEPLOY["BLOCKING_ALLOWED"] = [("mysite/async_views.py", "naps")]\n')
    run(mysite, test).assert_outcomes(failed=1)


def test_tests_inside_the_project_s_packages_may_block(mysite):
    tests = mysite.path / "mysite" / "tests"
    tests.mkdir()
    (tests / "test_here.py").write_text(
        "import time, pytest\n\n"
        "@pytest.mark.asyncio\n"
        "async def test_it(no_blocking):\n    time.sleep(0.001)\n"
    )
    run(mysite, None, "mysite/tests").assert_outcomes(passed=1)


def test_without_blockbuster_the_guard_says_what_to_install(mysite):
    mysite.makeconftest('import sys\nsys.modules["blockbuster"] = None')
    result = run(mysite, "def test_it(no_blocking): pass\ndef test_client(async_client): pass")
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(['*pip install "django-split-deploy[[]guard]"*'])


def test_without_pytest_django_the_fixtures_work_too(mysite):
    mysite.makeconftest(
        """
        import os
        os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings_sync"
        import django
        django.setup()
        from django.test.utils import setup_test_environment
        setup_test_environment()
        """
    )
    result = mysite.runpytest_subprocess(
        "-p", "no:django", "-o", "DJANGO_SETTINGS_MODULE=", "tests"
    )
    result.assert_outcomes(passed=6)


def test_a_project_that_is_not_split_has_pytest_django_s_client(project):
    call_command("startproject", "mysite", str(project.path))
    project.makeini(INI)
    run(
        project,
        """
        from django.test import AsyncClient

        def test_it(async_client):
            assert type(async_client) is AsyncClient
        """,
    ).assert_outcomes(passed=1)


def test_a_fixture_of_a_project_wins_over_ours(project):
    project.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    project.makeconftest("import pytest\n@pytest.fixture\ndef async_client(): return 'its own'")
    run(project, "def test_it(async_client): assert async_client == 'its own'").assert_outcomes(
        passed=1
    )


def test_a_project_without_django_does_not_import_it(project):
    project.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    run(
        project,
        """
        import sys

        def test_it(request):
            assert request.config.pluginmanager.hasplugin("split_deploy")
            assert "django" not in sys.modules
        """,
        "-p",
        "no:django",
    ).assert_outcomes(passed=1)


def test_in_a_project_that_is_not_split_our_fixtures_say_what_is_missing(project):
    call_command("startproject", "mysite", str(project.path))
    project.makeini(INI)
    result = run(project, "def test_it(sync_client): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*The setting SPLIT_DEPLOY is missing*"])


def test_the_pool_ends_before_the_test_databases_do(mysite):
    """Its threads may have connections to them."""
    mysite.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session", autouse=True)
        def databases():
            yield
            from split_deploy import pool
            assert pool.statistics() is None
        """
    )
    run(
        mysite,
        """
        import pytest
        from asgiref.sync import sync_to_async
        from split_deploy import pool

        @pytest.mark.asyncio
        async def test_in_a_thread():
            async with pool.PooledContext():
                await sync_to_async(int)()
            assert pool.statistics().started == 1
        """,
    ).assert_outcomes(passed=1)
