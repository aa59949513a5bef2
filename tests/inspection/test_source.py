"""What the text of the project's own modules makes suspicious, and what it doesn't."""

import subprocess
import sys
import textwrap

import pytest

from split_deploy.inspection import inspect_source, project_packages


@pytest.fixture
def inspect(tmp_path, monkeypatch):
    """Inspect a module with this text; return ``(kind, line)`` of each problem."""
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / f"shop_{tmp_path.name}"
    package.mkdir()
    (package / "__init__.py").touch()

    def inspect(source, file="views.py"):
        path = package / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(source).strip() + "\n")
        problems = inspect_source([package.name])
        assert all(each.certainty == "suspected" for each in problems)
        assert all(each.location.file == str(path) for each in problems)
        return [(each.kind, each.location.line) for each in problems]

    return inspect


BLOCKING = [
    ("import time", "time.sleep(1)"),
    ("from time import sleep", "sleep(1)"),
    ("from time import sleep as wait", "wait(1)"),
    ("import requests", "requests.get(url)"),
    ("import requests", "requests.Session()"),
    ("import httpx", "httpx.get(url)"),
    ("from httpx import Client", "Client()"),
    ("import urllib.request", "urllib.request.urlopen(url)"),
    ("from urllib.request import urlopen", "urlopen(url)"),
    ("import subprocess", "subprocess.run(['true'])"),
    ("import os", "os.system('true')"),
    ("import socket", "socket.create_connection(('a', 1))"),
    ("import socket", "socket.getaddrinfo('a', 1)"),
    ("import hashlib", "hashlib.scrypt(b'', salt=b'', n=2, r=1, p=1)"),
    ("from django.contrib.auth.hashers import make_password", "make_password('a')"),
    ("from django.contrib.auth import authenticate", "authenticate(request)"),
    ("from django.contrib.auth import login", "login(request, None)"),
    ("from django.core.mail import send_mail", "send_mail('a', 'b', 'c', [])"),
    ("import smtplib", "smtplib.SMTP('a')"),
    ("from django.core.cache import cache", "cache.get('a')"),
    ("import io", "open('a')"),
    ("import io", "io.open('a')"),
    ("from pathlib import Path", "Path('a').read_text()"),
]
ORM = [
    "Thing.objects.get(pk=1)",
    "Thing.objects.create()",
    "Thing.objects.filter(a=1).count()",
    "Thing.objects.filter(a=1).exclude(b=2).exists()",
    "Thing.objects.first()",
    "Thing._default_manager.update(a=1)",
    "request.user.is_staff",
    "request.user.thing_set.objects.count()",
    "list(Thing.objects.all())",
    "len(Thing.objects.all())",
    "[each for each in Thing.objects.all()]",
    "thing.save()",
    "thing.refresh_from_db()",
    "request.session['a']",
    "request.session['a'] = 1",
    "request.session.get('a')",
]
NOT_BLOCKING = [
    "await asyncio.sleep(1)",
    "await asyncio.to_thread(time.sleep, 1)",
    "await sync_to_async(time.sleep)(1)",
    "await sync_to_async(lambda: Thing.objects.get(pk=1))()",
    "await Thing.objects.aget(pk=1)",
    "(await Thing.objects.aget(pk=1)).tags.get('a')",
    "await Thing.objects.filter(a=1).acount()",
    "Thing.objects.filter(a=1)",
    "[each async for each in Thing.objects.all()]",
    "await sync_to_async(list)(Thing.objects.all())",
    "await cache.aget('a')",
    "await thing.asave()",
    "await client.get('https://example.com/')",
    "{}.get('a')",
    "mapping.update(a=1)",
    "await request.auser()",
    "await request.session.aget('a')",
    "await client.delete()",
    "unrelated.time.sleep(1)",
]


@pytest.mark.parametrize(("imported", "call"), BLOCKING)
def test_a_blocking_call_in_an_async_function_is_found(inspect, imported, call):
    assert inspect(f"{imported}\nasync def view(request):\n    {call}") == [("blocking-call", 3)]


@pytest.mark.parametrize(("imported", "call"), BLOCKING)
def test_the_same_call_in_a_sync_function_is_not(inspect, imported, call):
    assert inspect(f"{imported}\ndef view(request):\n    {call}") == []


@pytest.mark.parametrize("call", ORM)
def test_an_orm_call_without_an_a_method_in_an_async_function_is_found(inspect, call):
    assert inspect(f"async def view(request):\n    {call}") == [("orm-call", 2)]
    assert inspect(f"def view(request):\n    {call}") == []


@pytest.mark.parametrize("call", NOT_BLOCKING)
def test_what_does_not_block_is_not_found(inspect, call):
    imports = """
    import asyncio, time
    from asgiref.sync import sync_to_async
    from django.core.cache import cache
    """
    source = textwrap.dedent(imports) + f"async def view(request, mapping):\n    {call}\n"
    assert inspect(source) == []


def test_a_loop_over_a_queryset_is_found_under_the_name_that_it_was_given(inspect):
    source = """
    async def view(request):
        things = Thing.objects.filter(a=1)
        for each in things:
            print(each)
        async for each in things:
            print(each)
    """
    assert inspect(source) == [("orm-call", 3)]


def test_shortcuts_and_transactions_are_found(inspect):
    source = """
    from django.db import transaction
    from django.shortcuts import aget_object_or_404, get_object_or_404

    async def view(request):
        get_object_or_404(Thing, pk=1)
        await aget_object_or_404(Thing, pk=1)
        with transaction.atomic():
            pass
    """
    assert inspect(source) == [("orm-call", 5), ("orm-call", 7)]


def test_a_function_in_an_async_one_may_block_as_a_thread_may_run_it(inspect):
    source = """
    import time

    async def view(request):
        def work():
            time.sleep(1)
        await asyncio.to_thread(work)
    """
    assert inspect(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "import threading\nstate = threading.local()",
        "from threading import local\nstate = local()",
        "import threading\nclass State(threading.local):\n    user = None",
    ],
)
def test_thread_locals_are_found(inspect, source):
    assert inspect(source) == [("thread-local", 2)]


def test_globals_that_a_view_writes_are_found(inspect):
    source = """
    from collections import defaultdict

    last = None
    seen: dict[str, int] = {}
    order = []
    counts = defaultdict(int)
    CHOICES = ("a", "b")

    def view(request):
        global last
        last = request
        seen[request.path] = 1
        order.append(request.path)
        counts[request.path] += 1
        del seen[request.path]
        return seen.get("a"), CHOICES
    """
    assert inspect(source) == [("written-global", line) for line in (11, 12, 13, 14, 15)]


def test_globals_that_a_view_class_writes_are_found(inspect):
    source = """
    order = []

    class Board(LoginRequiredMixin, ListView):
        async def get(self, request):
            order.append(1)

        def helper(self):
            order.append(1)

    class Api(Controller[Serializer]):
        def post(self):
            order.clear()
    """
    assert inspect(source) == [("written-global", 5), ("written-global", 12)]


def test_what_only_looks_like_a_written_global_is_not_found(inspect):
    source = """
    order = []

    def view(request):
        order = []
        order.append(1)

    def parameter(request, order):
        order.append(1)

    def register(name):
        order.append(name)

    def reads(request):
        return order[0], sorted(order)
    """
    assert inspect(source) == []


def test_a_class_with_handlers_of_both_modes_is_found_though_as_view_refuses_it(inspect):
    source = """
    class Board(View):
        def get(self, request):
            pass

        async def post(self, request):
            pass
    """
    assert inspect(source) == [("mixed-handlers", 1)]


@pytest.mark.parametrize(
    ("imported", "call"),
    [
        ("import asyncio", "asyncio.create_task(work())"),
        ("from asyncio import create_task", "create_task(work())"),
        ("import asyncio", "asyncio.ensure_future(work())"),
        ("import asyncio", "asyncio.get_running_loop().create_task(work())"),
        ("import asyncio", "loop.create_task(work())"),
    ],
)
def test_a_task_that_nobody_holds_is_found(inspect, imported, call):
    source = "{}\nasync def view(request):\n    {}{}"
    assert inspect(source.format(imported, "", call)) == [("lost-task", 3)]
    assert inspect(source.format(imported, "task = ", call)) == []
    assert inspect(source.format(imported, "await ", call)) == []


def test_the_tasks_of_a_task_group_are_held(inspect):
    source = """
        import asyncio
        async def view(request):
            async with asyncio.TaskGroup() as group:
                group.create_task(work())
    """
    assert inspect(source) == []


def test_a_client_that_a_view_makes_for_itself_is_found(inspect):
    source = """
        import httpx
        async def view(request):
            async with httpx.AsyncClient() as client:
                await client.get("https://example.com/")
        class View:
            async def get(self, request):
                self.client = httpx.AsyncClient()
        async def lifespan():
            async with httpx.AsyncClient() as client:
                yield client
    """
    assert inspect(source) == [("client-per-request", 3), ("client-per-request", 7)]


def test_an_event_loop_inside_of_one_is_found_and_one_in_a_sync_function_is_not(inspect):
    source = """
        import asyncio
        from asgiref.sync import async_to_sync
        {}def view(request):
            asyncio.run(work())
            async_to_sync(work)(1)
            adapted = async_to_sync(work)
    """
    assert inspect(source.format("async ")) == [("loop-in-loop", 4), ("loop-in-loop", 5)]
    assert inspect(source.format("")) == []


@pytest.mark.parametrize(
    ("comment", "found"),
    [
        ("# split-deploy: ok", 0),
        ("# split-deploy: ok, nobody waits for it", 0),
        ("# noqa: S101 # split-deploy:ok", 0),
        ("# split-deploy: ok[blocking-call]", 0),
        ("# split-deploy: ok[orm-call, blocking-call]", 0),
        ("# split-deploy: ok[orm-call]", 1),
        ("# ok", 1),
    ],
)
def test_the_marker_says_that_a_line_is_meant_as_it_is(inspect, comment, found):
    source = f"import time\nasync def view(request):\n    time.sleep(1)  {comment}"
    assert len(inspect(source)) == found


def test_the_marker_may_stand_at_any_line_of_a_call(inspect):
    source = """
    import time
    async def view(request):
        time.sleep(
            1,  # split-deploy: ok
        )
        time.sleep(2)
    """
    assert inspect(source) == [("blocking-call", 6)]


@pytest.mark.parametrize(
    "file", ["migrations/a.py", "tests/a.py", "management/a.py", "test_a.py", "conftest.py"]
)
def test_what_no_request_runs_is_left_out(inspect, file):
    assert inspect("import threading\nstate = threading.local()", file) == []


def test_a_file_that_is_no_python_is_left_out(inspect):
    assert inspect("def (") == []


def test_a_package_that_is_not_there_is_an_error_that_names_it():
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        inspect_source(["nowhere"])


def test_the_message_says_what_to_do_instead(inspect, tmp_path):
    inspect("import time\nasync def view(request):\n    time.sleep(1)")
    (problem,) = inspect_source([f"shop_{tmp_path.name}"])
    assert problem.message == (
        "time.sleep() in async view() blocks the event loop. Await asyncio.sleep()."
    )


def test_the_project_s_packages_are_those_that_are_not_installed(settings):
    assert project_packages() == ["app", "urls"]

    settings.ROOT_URLCONF = "tests.inspection.shapes"
    assert project_packages() == ["app", "tests"]


def test_in_the_reference_deployment_nothing_is_suspicious_but_what_is_marked():
    assert inspect_source(["app"]) == []


def test_no_module_is_imported_for_it(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "views.py").write_text("raise SystemExit('imported')")
    script = "from split_deploy.inspection import inspect_source; print(inspect_source(['shop']))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": f"{tmp_path}:."},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
