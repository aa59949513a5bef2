"""Who saved a row last, in both instances, and where there is no request."""

import pytest

from app.models import WatchedURL
from split_deploy.context import impersonate
from split_deploy.testing import AsyncRoleClient, SyncRoleClient

URL = "https://example.com/"


@pytest.mark.django_db
def test_a_form_of_the_sync_instance_is_saved_by_whoever_sent_it(alice):
    client = SyncRoleClient()
    client.force_login(alice)
    client.post("/board/", {"url": URL})
    assert WatchedURL.objects.get(url=URL).changed_by == alice


@pytest.mark.django_db
def test_so_is_one_of_the_admin(staff, bob, watched):
    client = SyncRoleClient()
    client.force_login(staff)
    client.post(f"/admin/app/watchedurl/{watched.pk}/change/", {"url": URL, "owner": bob.pk})
    watched.refresh_from_db()
    assert (watched.url, watched.owner, watched.changed_by) == (URL, bob, staff)


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_the_async_instance_saves_for_whoever_asked(bob, watched):
    client = AsyncRoleClient()
    await client.aforce_login(bob)
    response = await client.post(f"/async/board/{watched.pk}/confirm/")
    assert response.json() == {"url": watched.url, "changed_by": "bob"}
    await watched.arefresh_from_db()
    assert watched.changed_by_id == bob.pk


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_to_confirm_needs_a_login_and_a_url_that_is_there(alice, watched):
    client = AsyncRoleClient()
    assert (await client.post(f"/async/board/{watched.pk}/confirm/")).status_code == 401
    assert (await client.get(f"/async/board/{watched.pk}/confirm/")).status_code == 405
    await client.aforce_login(alice)
    assert (await client.post("/async/board/4711/confirm/")).status_code == 404


def test_without_a_request_it_is_nobody_or_who_the_job_says(alice, bob, watched):
    assert watched.changed_by is None
    with impersonate(bob):
        watched.save()
    assert WatchedURL.objects.get().changed_by == bob
    watched.save()
    assert WatchedURL.objects.get().changed_by is None


def test_it_is_saved_with_a_part_of_the_fields_too(alice, watched):
    with impersonate(alice):
        watched.save(update_fields=["url"])
    assert WatchedURL.objects.get().changed_by == alice


def test_a_row_outlives_the_user_who_saved_it(bob, watched):
    with impersonate(bob):
        watched.save()
    bob.delete()
    assert WatchedURL.objects.get().changed_by is None
