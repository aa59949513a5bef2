"""The async side's hello and the stream of the board's checks."""

import json

import pytest
from django.contrib.auth.models import User
from django.http import StreamingHttpResponse

from app.http_client import lifespan
from app.models import WatchedURL
from tests.app.targets import Target

pytestmark = [pytest.mark.asyncio, pytest.mark.urls("async_urls")]

CHECK = "/async/board/check/"


async def events(response: StreamingHttpResponse) -> list[tuple[str, dict]]:
    found = []
    async for chunk in response:
        fields = dict(line.split(": ", 1) for line in chunk.decode().splitlines() if line)
        found.append((fields["event"], json.loads(fields["data"])))
    return found


async def test_hello_names_its_instance(async_client):
    response = await async_client.get("/async/hello/")
    assert response.text == "Hello from the async instance"


@pytest.mark.django_db(transaction=True)
async def test_whoami_greets_the_user_and_links_to_the_other_instance(async_client):
    user = await User.objects.acreate_user("<b>alice")
    await async_client.aforce_login(user)
    response = await async_client.get("/async/whoami/")
    assert "Hello &lt;b&gt;alice from the async instance." in response.text
    assert '<a href="/board/">' in response.text


async def test_whoami_sends_a_stranger_to_the_login_of_the_other_instance(async_client):
    response = await async_client.get("/async/whoami/?a=b")
    assert response.status_code == 302
    assert response["Location"] == "/accounts/login/?next=/async/whoami/%3Fa%3Db"


@pytest.mark.django_db(transaction=True)
async def test_the_urls_of_the_board_are_listed(async_client, alice):
    await WatchedURL.objects.acreate(url="https://example.com/", owner=alice)
    response = await async_client.get("/async/board/urls/")
    assert response.json() == {"urls": ["https://example.com/"]}


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/async/", "GET, HEAD"),
        ("/async/hello/", "GET, HEAD"),
        ("/async/whoami/", "GET, HEAD"),
        ("/async/board/urls/", "GET, HEAD"),
        ("/async/smoke_some_meats/", "GET, HEAD"),
        ("/async/burn_some_meats/", "GET, HEAD"),
        ("/async/sync_to_async/", "GET, HEAD"),
        (CHECK, "GET"),
    ],
)
async def test_views_that_change_nothing_refuse_post(async_client, path, allow):
    response = await async_client.post(path)
    assert (response.status_code, response["Allow"]) == (405, allow)


async def test_an_open_stream_is_not_for_head(async_client):
    assert (await async_client.head(CHECK)).status_code == 405


@pytest.mark.django_db(transaction=True)
async def test_the_check_needs_a_login(async_client):
    response = await async_client.get(CHECK)
    assert response.status_code == 401
    assert response.json() == {"error": "Log in to check the board."}


@pytest.mark.django_db(transaction=True)
async def test_the_check_streams_every_result_and_says_when_it_is_done(
    async_client, alice, settings
):
    settings.WATCH_ALLOW_PRIVATE_TARGETS = True
    await async_client.aforce_login(alice)
    async with Target().serving() as target, lifespan():
        rows = [
            await WatchedURL.objects.acreate(url=target.url + path, owner=alice)
            for path in ("/", "/missing")
        ]
        response = await async_client.get(CHECK)
        assert response.headers["Content-Type"].startswith("text/event-stream")
        found = await events(response)
    assert found[0] == ("start", {"total": 2})
    assert found[-1] == ("done", {"total": 2})
    results = {data.pop("id"): data for name, data in found if name == "result"}
    assert all(data.pop("ms") >= 0 for data in results.values())
    assert results == {
        rows[0].pk: {"url": rows[0].url, "ok": True, "status": 200, "error": None},
        rows[1].pk: {"url": rows[1].url, "ok": False, "status": 404, "error": None},
    }


@pytest.mark.django_db(transaction=True)
async def test_a_private_target_that_came_past_the_form_is_refused_by_the_fetcher(
    async_client, watched
):
    await async_client.aforce_login(watched.owner)
    async with Target().serving() as target, lifespan():
        await WatchedURL.objects.all().aupdate(url=target.url)
        found = await events(await async_client.get(CHECK))
    assert "WATCH_ALLOW_PRIVATE_TARGETS" in found[1][1]["error"]
    assert target.requests == []


@pytest.mark.django_db(transaction=True)
async def test_an_empty_board_is_done_at_once(async_client, alice):
    await async_client.aforce_login(alice)
    async with lifespan():
        found = await events(await async_client.get(CHECK))
    assert found == [("start", {"total": 0}), ("done", {"total": 0})]


@pytest.mark.django_db(transaction=True)
async def test_without_the_shared_client_no_stream_begins(async_client, alice):
    await async_client.aforce_login(alice)
    with pytest.raises(RuntimeError, match="SPLIT_DEPLOY"):
        await async_client.get(CHECK)
