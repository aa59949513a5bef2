"""What ``split_deploy.context`` says where there is no request: in shells, jobs and their tasks."""

import asyncio
import contextvars
import threading

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import SynchronousOnlyOperation
from django.utils.functional import SimpleLazyObject

from split_deploy import context
from split_deploy.context import (
    aget_current_user,
    current_user_id,
    get_current_request,
    get_current_user,
    impersonate,
    set_current_user,
)
from split_deploy.tasks import background, run_in_thread
from tests.context.site import somebody

ALICE, BOB = somebody(1), somebody(2)


def in_a_context_of_its_own(function, *args):
    return contextvars.Context().run(function, *args)


def never():
    raise AssertionError("a lazy user was loaded")


def unloadable():
    raise SynchronousOnlyOperation("a query")


def test_all_of_it_is_public():
    assert set(context.__all__) <= set(vars(context))


def test_where_nobody_has_said_there_is_nobody():
    assert get_current_request() is None
    assert get_current_user() is None
    assert async_to_sync(aget_current_user)() is None
    assert current_user_id() == "-"


def test_a_user_that_is_set_stays_until_another_is():
    def job():
        set_current_user(ALICE)
        assert get_current_user() is ALICE
        assert async_to_sync(aget_current_user)() is ALICE
        set_current_user(BOB)
        assert get_current_user() is BOB
        set_current_user(None)
        assert get_current_user() is None

    in_a_context_of_its_own(job)


def test_blocks_are_nested_and_give_back_what_was_before():
    with impersonate(ALICE):
        with impersonate(BOB):
            assert get_current_user() is BOB
            with impersonate(None):
                assert get_current_user() is None
            assert get_current_user() is BOB
        assert get_current_user() is ALICE
    assert get_current_user() is None


def test_what_is_set_in_a_block_ends_with_it():
    def job():
        set_current_user(ALICE)
        with impersonate(BOB):
            set_current_user(None)
            assert get_current_user() is None
        assert get_current_user() is ALICE

    in_a_context_of_its_own(job)


def test_a_block_ends_with_an_error_too():
    with pytest.raises(ValueError, match="on purpose"), impersonate(ALICE):
        raise ValueError("on purpose")
    assert get_current_user() is None


def test_a_block_is_entered_once():
    block = impersonate(ALICE)
    with block, pytest.raises(RuntimeError, match="entered once"), block:
        pass
    assert get_current_user() is None


def test_a_block_is_no_decorator():
    """Of an async function it would be left before that has begun."""
    assert not callable(impersonate(ALICE))


def test_a_generator_that_is_closed_elsewhere_leaves_that_context_alone():
    def parts():
        with impersonate(ALICE):
            yield get_current_user()

    generator = parts()
    assert in_a_context_of_its_own(next, generator) is ALICE
    with impersonate(BOB):
        generator.close()
        assert get_current_user() is BOB


def test_blocks_that_overlap_leave_nothing():
    """Two generators in turn, the first of which ends first."""

    def parts(user):
        with impersonate(user):
            yield

    first, second = parts(ALICE), parts(BOB)
    next(first)
    next(second)
    first.close()
    assert get_current_user() is None
    second.close()
    assert get_current_user() is None


@pytest.mark.asyncio
async def test_a_block_holds_in_async_code_and_in_its_tasks():
    async def who():
        await asyncio.sleep(0)
        return get_current_user()

    with impersonate(ALICE):
        assert await who() is ALICE
        task = asyncio.create_task(who())
        in_background = background(who())
        with impersonate(BOB):
            assert await asyncio.gather(who(), sync_to_async(get_current_user)()) == [BOB, BOB]
            assert await sync_to_async(get_current_user, thread_sensitive=False)() is BOB
            assert await sync_to_async(async_to_sync(aget_current_user))() is BOB
            assert await asyncio.to_thread(get_current_user) is BOB
            assert await run_in_thread(get_current_user) is BOB
        assert (await task, await in_background) == (ALICE, ALICE)
    assert get_current_user() is None


@pytest.mark.asyncio
async def test_tasks_don_t_see_what_another_sets():
    async def job(pk):
        set_current_user(somebody(pk))
        for _ in range(3):
            await asyncio.sleep(0)
            assert get_current_user().pk == pk
            await sync_to_async(set_current_user)(somebody(pk))

    await asyncio.gather(*map(job, range(50)))
    assert get_current_user() is None


@pytest.mark.asyncio
async def test_what_is_set_in_a_thread_that_is_awaited_comes_back():
    async def job():
        await sync_to_async(set_current_user)(ALICE)
        assert get_current_user() is ALICE
        await sync_to_async(async_to_sync(sync_to_async(set_current_user)))(BOB)
        assert get_current_user() is BOB

    await asyncio.create_task(job())


def test_a_thread_of_nobody_s_has_nobody():
    seen = []
    with impersonate(ALICE):
        thread = threading.Thread(target=lambda: seen.append(get_current_user()))
        thread.start()
        thread.join()
    assert seen == [None]


# Lazy users


@pytest.mark.asyncio
async def test_a_lazy_user_is_not_loaded_by_being_stored_and_carried_about():
    lazy = SimpleLazyObject(never)

    async def carry():
        set_current_user(lazy)
        await asyncio.sleep(0)
        await sync_to_async(lambda: None)()
        await sync_to_async(async_to_sync(asyncio.sleep))(0)
        await asyncio.gather(sync_to_async(str)(), asyncio.sleep(0))
        await background(asyncio.sleep(0))
        await run_in_thread(str)
        assert current_user_id() == "-"
        with impersonate(lazy), impersonate(SimpleLazyObject(never)):
            await sync_to_async(lambda: None)()
        return contextvars.copy_context() == contextvars.copy_context()

    assert await asyncio.create_task(carry())


def test_a_lazy_user_is_loaded_when_it_is_asked_for():
    lazy = SimpleLazyObject(lambda: ALICE)
    with impersonate(lazy):
        assert current_user_id() == "-"
        assert get_current_user() is lazy
        assert lazy._wrapped is ALICE
        assert current_user_id() == "1"


@pytest.mark.asyncio
async def test_on_the_event_loop_a_lazy_user_has_to_be_awaited():
    def load():
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return ALICE
        return unloadable()

    lazy = SimpleLazyObject(load)
    with impersonate(lazy):
        with pytest.raises(SynchronousOnlyOperation, match=r"await aget_current_user\(\)"):
            get_current_user()
        assert await aget_current_user() == ALICE
        assert get_current_user() == ALICE


# For logs


@pytest.mark.parametrize(
    ("user", "shown"),
    [
        (None, "-"),
        (AnonymousUser(), "-"),
        (somebody(7), "7"),
        (somebody("a@example.org"), "a@example.org"),
        (somebody('x" status=200\nrole=sync'), "x%22%20status%3D200%0Arole%3Dsync"),
        (somebody(("acme", 7)), "('acme',%207)"),
        (somebody("ü"), "%C3%BC"),
    ],
)
def test_the_id_of_the_user_for_a_log_forges_no_line(user, shown):
    with impersonate(user):
        assert current_user_id() == shown
