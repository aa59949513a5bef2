"""Inspect a project of 5,000 URL patterns: how long it takes, and how much memory.

    python benchmarks/inspect_urlconf.py [PATTERNS]

The project is made for it: applications of 100 patterns each, with views of many shapes (plain,
decorated, class-based, sync behind async and the reverse), each in a file of its application. One
process loads the URLconf, another loads and inspects it, five times each, in turn. Prints one JSON
object: seconds of the inspection alone, its imports and the parsing of the sources included, and
the ratio of the two peaks of resident memory. Exits with 1 if it is above 2 s or 1.5.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 5
PATTERNS_AN_APPLICATION = 100
SECONDS_AT_MOST, RATIO_AT_MOST = 2.0, 1.5

HEAD = '''
import functools

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, StreamingHttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET


def hides(view):
    @functools.wraps(view)
    def wrapper(request, *args, **kwargs):
        return view(request, *args, **kwargs)

    return wrapper


def threads(view):
    async def wrapper(request, *args, **kwargs):
        return await sync_to_async(view)(request, *args, **kwargs)

    return wrapper


def rows(request):
    """Rows of a table, as a view would make them."""
    total = 0
    for number in range(10):
        total += number
    return [{"number": number, "total": total} for number in range(10)]


async def chunks():
    yield b"chunk"
'''

SHAPES = (
    '''
def view{n}(request, pk):
    """Say which it is."""
    context = {{"rows": rows(request), "pk": pk}}
    if request.method == "POST":
        return HttpResponse(status=204)
    return HttpResponse(str(context))
''',
    '''
async def view{n}(request, pk):
    """Say which it is."""
    context = {{"pk": pk}}
    return HttpResponse(str(context))
''',
    """
@csrf_exempt
@require_GET
@login_required
def view{n}(request, pk):
    context = {{"rows": rows(request), "pk": pk}}
    return HttpResponse(str(context))
""",
    """
class View{n}(View):
    def get(self, request, pk):
        return HttpResponse(str(rows(request)))

    def post(self, request, pk):
        return HttpResponse(status=204)


view{n} = View{n}.as_view()
""",
    """
@method_decorator(never_cache, name="get")
class View{n}(View):
    async def get(self, request, pk):
        return HttpResponse(str(pk))


view{n} = View{n}.as_view()
""",
    """
@hides
async def view{n}(request, pk):
    return HttpResponse(str(pk))
""",
    """
@threads
def view{n}(request, pk):
    return HttpResponse(str(rows(request)))
""",
    """
async def view{n}(request, pk):
    return StreamingHttpResponse(chunks())
""",
    """
def helper{n}(request, pk, *, flag):
    return HttpResponse(str(pk))


view{n} = functools.partial(helper{n}, flag=True)
""",
    """
view{n} = lambda request, pk: HttpResponse(str(pk))
""",
)

LOAD = """
import sys, time
import django
from django.conf import settings
from django.urls import URLResolver, get_resolver

settings.configure(
    ROOT_URLCONF="site_urls",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    DATABASES={},
)
django.setup()

def load(resolver):
    return sum(
        load(each) if isinstance(each, URLResolver) else 1 for each in resolver.url_patterns
    )

patterns = load(get_resolver())
seconds = 0.0
"""
INSPECT = """
begun = time.perf_counter()
from split_deploy.inspection import inspect_urlconf

reports = inspect_urlconf()
seconds = time.perf_counter() - begun
assert len(reports) == patterns
assert sum(bool(report.problems) for report in reports) > patterns / 10
"""
MEASURE = """
import json, re
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
print(json.dumps({"seconds": seconds, "peak_kb": peak, "patterns": patterns}))
"""


def main(patterns: int) -> int:
    """Measure and return the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        make_project(Path(folder), patterns)
        loads, inspections = [], []
        for number in range(ROUNDS + 1):
            load, inspection = run(LOAD + MEASURE, folder), run(LOAD + INSPECT + MEASURE, folder)
            if number:  # the first round compiles
                loads.append(load)
                inspections.append(inspection)
                print(f"{number}/{ROUNDS}: {inspection['seconds']:.2f} s", file=sys.stderr)
    seconds = statistics.median(each["seconds"] for each in inspections)
    loading = statistics.median(each["peak_kb"] for each in loads)
    inspecting = statistics.median(each["peak_kb"] for each in inspections)
    print(
        json.dumps(
            {
                "patterns": inspections[0]["patterns"],
                "seconds": round(seconds, 2),
                "peak_mb_loading": round(loading / 1024, 1),
                "peak_mb_inspecting": round(inspecting / 1024, 1),
                "peak_memory_ratio": round(inspecting / loading, 2),
            }
        )
    )
    return int(seconds > SECONDS_AT_MOST or inspecting / loading > RATIO_AT_MOST)


def make_project(folder: Path, patterns: int) -> None:
    """Write the URLconf and its applications."""
    applications = []
    for first in range(0, patterns, PATTERNS_AN_APPLICATION):
        name = f"application{first // PATTERNS_AN_APPLICATION}"
        applications.append(name)
        numbers = range(first, min(first + PATTERNS_AN_APPLICATION, patterns))
        package = folder / name
        package.mkdir()
        (package / "__init__.py").touch()
        views = [SHAPES[number % len(SHAPES)].format(n=number) for number in numbers]
        (package / "views.py").write_text(HEAD + "\n".join(views))
        paths = [
            f'    path("{number}/<int:pk>/", views.view{number}, name="view{number}"),'
            for number in numbers
        ]
        (package / "urls.py").write_text(
            "\n".join(
                [
                    "from django.urls import path",
                    f"from {name} import views",
                    f'app_name = "{name}"',
                    "urlpatterns = [",
                    *paths,
                    "]",
                ]
            )
        )
    includes = [f'    path("{name}/", include("{name}.urls")),' for name in applications]
    lines = ["from django.urls import include, path", "urlpatterns = [", *includes, "]"]
    (folder / "site_urls.py").write_text("\n".join(lines))


def run(script: str, folder: str) -> dict[str, float]:
    """Run ``script`` in a process of its own, whose memory is nobody else's."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000))
