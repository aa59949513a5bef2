"""The code of docs/blocking-first.md."""

import asyncio
import traceback

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group
from django.db import transaction

from split_deploy import blocking_first, io
from tests.docs.pages import block

PAGE = "docs/blocking-first.md"


def code(title):
    names = {"__name__": "example"}
    exec(block(PAGE, title), names)
    return names


class Response:
    status_code = 200


class Client:
    async def get(self, url):
        await asyncio.sleep(0)
        if url == "broken":
            raise ConnectionError
        return Response


class Bookmark:
    status = None
    saved = 0

    def __init__(self, url):
        self.url = url

    def save(self):
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        self.saved += 1


def test_sections_anywhere():
    fine, broken = Bookmark("fine"), Bookmark("broken")
    with pytest.raises(ConnectionError):
        async_to_sync(code("Sections anywhere")["refresh"])(Client(), [fine, broken])
    assert [(each.status, each.saved) for each in (fine, broken)] == [(200, 1), (None, 1)]


@pytest.mark.django_db
def test_a_section_inside_a_transaction():
    @blocking_first
    async def view():
        with transaction.atomic():
            async with io:
                pass

    with pytest.raises(transaction.TransactionManagementError) as caught:
        async_to_sync(view)()
    shown = "".join(traceback.format_exception_only(caught.value)).strip()
    assert shown == block(PAGE, "A section inside a transaction")


@pytest.mark.parametrize(("names", "result"), [("ab", ["A", "B"]), ("axy", ["x", "y"])])
def test_all_errors_at_once(names, result):
    def read(name):
        if name in "xy":
            raise FileNotFoundError(name)
        return name.upper()

    assert async_to_sync(code("All errors at once")["load"])(read, names) == result


def test_a_pool_of_its_own():
    names = code("A pool of its own")
    asyncio.run(names["report"]())
    assert names["REPORTS"].size == 2
    assert names["REPORTS"].statistics().calls == 1
    names["REPORTS"].close().result(10)


@pytest.mark.django_db
def test_a_stream_of_rows():
    for name in "abc":
        Group.objects.create(name=name)

    async def read():
        response = await code("A stream of rows")["export"](None, Group.objects.all())
        return [chunk async for chunk in response]

    assert async_to_sync(read)() == [b"a\n", b"b\n", b"c\n"]
