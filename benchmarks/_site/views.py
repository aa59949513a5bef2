"""Pages that answer at once, each in the shapes that are compared: sync, and async."""

import datetime
import json
import random

from django.contrib.contenttypes.models import ContentType
from django.db.models import Func, TextField, Value
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt

from benchmarks._site.models import Entry
from split_deploy.async_database import objects

#: How many entries ``prepare.py`` makes, with primary keys from 1 on.
ENTRIES = 100


async def json_async(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"message": "Hello, World!"})


def json_sync(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"message": "Hello, World!"})


ROWS = [
    {
        "number": number,
        "title": f"Entry & number {number}",
        "text": "What stands in it, of which a page that lists them shows the beginning. " * 3,
        "created": datetime.date(2026, 1, number),
    }
    for number in range(1, 21)
]


def page_sync(request: HttpRequest) -> HttpResponse:
    """A list of 20 rows, which are in memory, with the name of the user and a form."""
    return render(request, "benchmarks/page.html", {"rows": ROWS})


async def page_async(request: HttpRequest) -> HttpResponse:
    """The same; a template can't await the user."""
    user = await request.auser()
    return render(request, "benchmarks/page.html", {"rows": ROWS, "user": user})


def read_sync(request: HttpRequest, using: str) -> HttpResponse:
    entry = Entry.objects.using(using).get(pk=random.randint(1, ENTRIES))
    return JsonResponse({"pk": entry.pk, "text": entry.text})


async def read_async(request: HttpRequest, using: str) -> HttpResponse:
    entry = await Entry.objects.using(using).aget(pk=random.randint(1, ENTRIES))
    return JsonResponse({"pk": entry.pk, "text": entry.text})


@csrf_exempt
def write_sync(request: HttpRequest, using: str) -> HttpResponse:
    entry = Entry.objects.using(using).create(text=json.loads(request.body)["text"])
    return JsonResponse({"pk": entry.pk}, status=201)


@csrf_exempt
async def write_async(request: HttpRequest, using: str) -> HttpResponse:
    entry = await Entry.objects.using(using).acreate(text=json.loads(request.body)["text"])
    return JsonResponse({"pk": entry.pk}, status=201)


async def orm_async(request: HttpRequest) -> HttpResponse:
    # Django's manager, but for the series with the async database.
    found = await objects(ContentType).aget(app_label="auth", model="user")
    return JsonResponse({"pk": found.pk, "model": found.model})


def orm_sync(request: HttpRequest) -> HttpResponse:
    found = ContentType.objects.get(app_label="auth", model="user")
    return JsonResponse({"pk": found.pk, "model": found.model})


async def five_async(request: HttpRequest) -> HttpResponse:
    """Five queries, one after the other."""
    models = [(await objects(ContentType).aget(pk=pk)).model for pk in range(1, 6)]
    return JsonResponse({"models": models})


async def slow_async(request: HttpRequest) -> HttpResponse:
    """A query for which the database needs 20 ms."""
    slow = objects(ContentType).annotate(
        slept=Func(Value(0.02), function="pg_sleep", output_field=TextField())
    )
    pk, _ = await slow.values_list("pk", "slept").aget(pk=1)
    return JsonResponse({"pk": pk})


async def session_async(request: HttpRequest) -> HttpResponse:
    user = await request.auser()
    return JsonResponse({"user": user.get_username()}, status=200 if user.pk else 401)


def session_sync(request: HttpRequest) -> HttpResponse:
    return JsonResponse(
        {"user": request.user.get_username()}, status=200 if request.user.pk else 401
    )
