"""docs/checks.md: each id has an example, which triggers that id and no other."""

import re
import subprocess
import sys
import textwrap

import pytest

from split_deploy.checks import messages
from tests.e2e.stack import ROOT, clean_environment

PAGE = (ROOT / "docs" / "checks.md").read_text()
FENCE = re.compile(r'^( *)```python title="([^"]+)"\n(.*?)^\1```', re.MULTILINE | re.DOTALL)
BASE, *SECTIONS = re.split(r"^### (split_deploy\.\w+)\n", PAGE, flags=re.MULTILINE)
EXAMPLES = dict(zip(SECTIONS[::2], SECTIONS[1::2], strict=True))
IDS = {value for name, value in vars(messages).items() if name.isupper()}


def write(folder, text):
    for indent, title, code in FENCE.findall(text):
        name, _, where = title.partition(" ")
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        before = path.read_text() + "\n" if where == "(at its end)" else ""
        path.write_text(before + textwrap.dedent(code) if indent else before + code)


def check(folder, *arguments):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "split_deploy", "check", "--fail-level", "WARNING"),
            *("--sync-settings", "sync_settings", "--async-settings", "async_settings"),
            *arguments,
        ],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def project(tmp_path):
    write(tmp_path, BASE)
    return tmp_path


def test_the_project_of_the_examples_is_pure(project):
    status, output = check(project)
    assert status == 0, output
    assert output.count("no issues") == 2


def test_every_id_has_an_example():
    assert set(EXAMPLES) == IDS


@pytest.mark.parametrize("id_", sorted(EXAMPLES))
def test_its_example_triggers_exactly_this_id(project, id_):
    write(project, EXAMPLES[id_])

    status, output = check(project)

    assert set(re.findall(r"split_deploy\.[EW]\d{3}", output)) == {id_}, output
    assert status == 1
    assert "Traceback" not in output


@pytest.mark.parametrize("id_", ["split_deploy.E001", "split_deploy.W055"])
def test_it_is_silenced_as_usual(project, id_):
    write(project, EXAMPLES[id_])
    settings = project / "base.py"
    settings.write_text(f"{settings.read_text()}\nSILENCED_SYSTEM_CHECKS = ['{id_}']\n")

    status, output = check(project)

    assert status == 0, output


def test_a_message_names_the_view_its_file_and_line_and_the_fix(project):
    write(project, EXAMPLES["split_deploy.E001"])
    _, output = check(project)
    assert "shop/views.py:4: (split_deploy.E001) /async/home/ is sync (shop.views.home: " in output
    assert "HINT: " in output
    assert (
        "Move the URL to the sync instance's URLconf, or write the view as `async def`." in output
    )


def test_a_warning_alone_does_not_fail_by_default(project):
    write(project, EXAMPLES["split_deploy.W055"])
    status, output = check(project, "--fail-level", "ERROR")
    assert status == 0
    assert "split_deploy.W055" in output


def test_a_middleware_that_drags_others_along_is_the_one_that_is_blamed(project):
    write(project, EXAMPLES["split_deploy.W021"])
    _, output = check(project)
    assert output.count("split_deploy.W021") == 1
    assert "shop.middleware.timing is sync only" in output


def test_a_middleware_with_sync_hooks_is_told_which_and_what_to_do(project):
    write(project, EXAMPLES["split_deploy.W024"])
    _, output = check(project)
    assert "shop.middleware.Timing needs 1 thread hop(s) with every request, for its " in output
    assert "process_response(): sync, and called in a thread." in output
    assert "HINT: Give it an async __call__()" in output

    middleware = project / "shop" / "middleware.py"
    middleware.write_text(
        middleware.read_text().replace(
            "    def process_response(self, request, response):\n        return response\n",
            "    async def __acall__(self, request):\n"
            "        return await self.get_response(request)\n\n"
            "    def process_view(self, request, view, args, kwargs):\n        return None\n",
        )
    )
    _, output = check(project)
    assert "for its process_view(): sync" in output
    assert "HINT: Write process_view() as `async def`" in output


def test_django_s_test_runner_is_not_taken_for_a_difference(project):
    """It changes ALLOWED_HOSTS and DATABASES before it runs the checks."""
    (project / "shop" / "tests.py").write_text(
        "from django.test import SimpleTestCase\n\n"
        "class Test(SimpleTestCase):\n    def test(self):\n        pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "django", "test", "--settings", "sync_settings"],
        cwd=project,
        env=clean_environment() | {"PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "System check identified" in done.stderr
    assert "split_deploy." not in done.stderr


@pytest.mark.parametrize(
    "code",
    [
        'CSRF_TRUSTED_ORIGINS = {f"https://{n}.example.com" for n in range(20)}',
        "from functools import partial\nCACHES['default']['KEY_FUNCTION'] = partial(print)",
        "def key(*args):\n    return ''\n\nCACHES['default']['KEY_FUNCTION'] = key",
        "from django.utils.functional import SimpleLazyObject as L\nSECRET_KEY = L(lambda: 'key')",
        "LOGIN_URL = None",
        "import atexit\natexit.register(print, 'bye')",
    ],
)
def test_settings_of_unusual_kinds_are_no_difference(project, code):
    settings = project / "base.py"
    settings.write_text(f"{settings.read_text()}\n{code}\n")
    status, output = check(project)
    assert status == 0, output


def test_a_urlconf_that_queries_when_it_is_imported_is_checked_inside_an_event_loop(project):
    """Uvicorn with several workers imports the application there."""
    (project / "asgi.py").write_text(
        "import os\n"
        "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'async_settings')\n"
        "from split_deploy.asgi import get_async_application\n"
        "application = get_async_application()\n"
    )
    urls = project / "urls.py"
    urls.write_text(
        f"{urls.read_text()}\nfrom django.db import connection\n"
        "connection.cursor().execute('SELECT 1')\n"
    )
    script = "import asyncio\n\nasync def main():\n    import asgi\n\nasyncio.run(main())"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=project,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("route", "inside"),
    [
        ("async/x/", True),
        ("^async/x/$", True),
        (r"\Aasync/x/$", True),
        (r"^async\/x$", True),
        ("asyncx/", False),
        ("ASYNC/", False),
        ("", False),
        ("<language>/async/", None),
        ("^(?P<p>async)/w$", None),
        ("<path:rest>", None),
    ],
)
def test_what_the_text_of_a_route_cannot_tell_is_not_said(route, inside):
    from split_deploy.checks.urls import _is_inside

    assert _is_inside(route, "async/") is inside
