"""What the Granian of these tests serves: a small site, with its settings, in one module."""

import json
import os
import time

import django
from django.conf import settings
from django.db import connection
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

import split_deploy.wsgi  # noqa: F401 - as a wsgi.py does
from split_deploy.handlers.granian import GranianHandler

if seconds := os.environ.get("SITE_LOADS_FOR"):
    print("The site is loading", flush=True)
    time.sleep(float(seconds))

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": os.environ.get("SITE_DATABASE", ":memory:"),
                "CONN_MAX_AGE": 60,
            }
        },
        INSTALLED_APPS=["split_deploy"],
        LOGGING={
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"access": {"class": "logging.StreamHandler"}},
            "loggers": {"split_deploy.access": {"handlers": ["access"], "level": "INFO"}},
        },
        MIDDLEWARE=["split_deploy.middleware.instance.InstanceMiddleware"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="of a test",
        SPLIT_DEPLOY={"ROLE": "sync"},
    )
    django.setup(set_prefix=False)


class CountedFile:
    """A file of zeros, which knows how many times it was read."""

    reads = closed = 0

    def __init__(self, size):
        self._left = size

    def read(self, size):
        type(self).reads += 1
        size = min(size, self._left)
        self._left -= size
        return bytes(size)

    def close(self):
        type(self).closed += 1


def meta(request):
    return JsonResponse({k: v for k, v in request.META.items() if isinstance(v, str)})


def scheme(request):
    return HttpResponse(f"{request.scheme} {request.get_port()}")


def lines(request):
    first = request.readline()
    return HttpResponse(json.dumps([line.decode() for line in (first, *request)]))


def size(request):
    if request.FILES:
        return HttpResponse(str(len(request.FILES["file"].read())))
    return HttpResponse(str(len(request.body)))


def file(request):
    return FileResponse(CountedFile(int(request.GET["size"])))


def reads(request):
    return HttpResponse(str(CountedFile.reads))


def closed(request):
    return HttpResponse(str(CountedFile.closed))


def latin(request):
    return HttpResponse(headers={"X-Name": "\xe9"}, reason="Fine")


def stream(request):
    def parts():
        yield b"one,"
        if "broken" in request.GET:
            raise RuntimeError("the stream breaks")
        time.sleep(float(request.GET.get("seconds", "0")))
        yield b"two"

    return StreamingHttpResponse(parts())


def connected(request):
    """How old this thread's connection is, in requests."""
    connection.ensure_connection()
    made = connection.connection
    connection.uses = getattr(connection, "uses", 0) + 1
    return HttpResponse(f"{os.getpid()} {id(made)} {connection.uses}")


urlpatterns = [
    path("meta/", meta),
    path("scheme/", scheme),
    path("lines/", lines),
    path("size/", size),
    path("file/", file),
    path("reads/", reads),
    path("closed/", closed),
    path("latin/", latin),
    path("stream/", stream),
    path("connected/", connected),
]

application = GranianHandler()
