import asyncio
from contextlib import nullcontext

import pytest

from app.guarded_transport import TargetNotAllowed
from app.http_client import endpoint_client, lifespan, watch_client
from tests.app.targets import Target


@pytest.mark.asyncio
async def test_every_request_of_a_process_shares_one_client():
    async with lifespan():
        seen = await asyncio.gather(*(asyncio.to_thread(watch_client) for _ in range(4)))
        assert {id(client) for client in seen} == {id(watch_client())}
        assert endpoint_client() is endpoint_client()
        assert endpoint_client() is not watch_client()


@pytest.mark.asyncio
async def test_the_clients_are_closed_with_the_server():
    async with lifespan():
        clients = [watch_client(), endpoint_client()]
    assert all(client.is_closed for client in clients)
    with pytest.raises(RuntimeError, match="isn't open"):
        watch_client()


@pytest.mark.asyncio
async def test_the_clients_can_be_opened_again_but_not_twice():
    async with lifespan():
        pass
    async with lifespan():
        with pytest.raises(RuntimeError, match="open already"):
            async with lifespan():
                pass
        assert not watch_client().is_closed


@pytest.mark.parametrize("client", [watch_client, endpoint_client])
def test_without_the_lifespan_the_error_says_what_opens_it(client):
    with pytest.raises(RuntimeError, match=r'"app\.http_client\.lifespan" in SPLIT_DEPLOY'):
        client()


@pytest.mark.asyncio
@pytest.mark.parametrize("allowed", [True, False])
async def test_the_setting_opens_private_networks_to_watched_urls(settings, allowed):
    settings.WATCH_ALLOW_PRIVATE_TARGETS = allowed
    async with Target().serving() as target, lifespan():
        with nullcontext() if allowed else pytest.raises(TargetNotAllowed):
            await watch_client().get(target.url)
        # The endpoint is the operator's choice, so nothing guards it.
        await endpoint_client().get(target.url)
    assert len(target.requests) == (2 if allowed else 1)
