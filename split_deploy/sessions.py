"""Session stores for async code: any of Django's or of the project, with one hop for one call.

Django's database store crosses to a thread once to read and once to write a session, ``cached_db``
three times and twice, and a login takes six of them. Here each of these calls is one piece of work
in one thread, with the store's sync methods. A store with async methods that are not Django's is
left to them.

And the sync ones don't block the event loop: ``request.session["key"]`` of a session that has not
been loaded raises ``SynchronousOnlyOperation``, whatever the session is stored in. Django does that
for the database alone.
"""

from functools import cache
from typing import Any, Final, Literal, cast

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends import cache as django_cache
from django.contrib.sessions.backends import signed_cookies
from django.contrib.sessions.backends.base import SessionBase

from split_deploy import _caches
from split_deploy._loop import refuse_on_the_loop

#: How a store's work is done: on the event loop, since it never blocks; in a thread; or by async
#: methods that are really async.
Way = Literal["here", "thread", "await"]

_STORAGE: Final = ("load", "save", "create", "delete", "exists")


class GuardedStore(SessionBase):
    """A store whose sync methods refuse to block the event loop."""

    #: A project's own store may set this, if nothing that it does can block.
    never_blocks = False

    @property
    def way(self) -> Way:
        """How its work is done."""
        return "here" if self.never_blocks else "await"

    @property
    def is_loaded(self) -> bool:
        """Whether to read it takes no more loading."""
        return _is_loaded(self)

    # Both names, as in Django: the property has the function in it and not its name.

    def _get_session(self, no_load: bool = False) -> dict[str, Any]:
        if not (no_load or self.is_loaded or self.way == "here"):
            refuse_on_the_loop(
                "request.session has not been loaded, and to load it here would block the event "
                "loop. Write `await request.session.aget(key)`, or another of its async methods; "
                "after any of them the sync ones work too."
            )
        return cast("dict[str, Any]", super()._get_session(no_load))  # type: ignore[misc]

    _session = property(_get_session)


class ThreadedStore(GuardedStore):
    """A store whose async methods are its sync ones in a thread, if these may block at all."""

    #: Whether it is Django's in a cache, so that the cache says how its work is done.
    _is_in_a_cache = False

    @property
    def way(self) -> Way:
        """How its work is done."""
        if self.never_blocks:
            return "here"
        if self._is_in_a_cache:
            cache = cast("Any", self)._cache
            if not _caches.may_block(cache):
                return "here"
            if _caches.is_async(cache):
                return "await"
        return "thread"

    def _check(self, name: str) -> None:
        if self.way != "here":
            refuse_on_the_loop(
                f"request.session.{name}() would block the event loop here. "
                f"Write `await request.session.a{name}()`."
            )

    def load(self) -> dict[str, Any]:
        """See Django's."""
        self._check("load")
        return super().load()

    def save(self, must_create: bool = False) -> None:
        """See Django's."""
        self._check("save")
        super().save(must_create)

    def create(self) -> None:
        """See Django's."""
        self._check("create")
        super().create()

    def delete(self, session_key: str | None = None) -> None:
        """See Django's."""
        self._check("delete")
        super().delete(session_key)

    def exists(self, session_key: str) -> bool:
        """See Django's."""
        self._check("exists")
        return super().exists(session_key)

    def flush(self) -> None:
        """See Django's."""
        self._check("flush")
        super().flush()

    def cycle_key(self) -> None:
        """See Django's."""
        self._check("cycle_key")
        super().cycle_key()

    async def aload(self) -> dict[str, Any]:
        """See Django's."""
        return cast("dict[str, Any]", await self._do(self.load, super().aload))

    async def asave(self, must_create: bool = False) -> None:
        """See Django's."""
        await self._do(self.save, super().asave, must_create)

    async def acreate(self) -> None:
        """See Django's."""
        await self._do(self.create, super().acreate)

    async def adelete(self, session_key: str | None = None) -> None:
        """See Django's."""
        await self._do(self.delete, super().adelete, session_key)

    async def aexists(self, session_key: str) -> bool:
        """See Django's."""
        return bool(await self._do(self.exists, super().aexists, session_key))

    async def aflush(self) -> None:
        """See Django's."""
        await self._do(self.flush, super().aflush)

    async def acycle_key(self) -> None:
        """See Django's."""
        await self._do(self.cycle_key, super().acycle_key)

    async def _do(self, sync: Any, own: Any, *args: Any) -> Any:
        match self.way:
            case "here":
                return sync(*args)
            case "thread":
                return await sync_to_async(sync)(*args)
            case "await":
                return await own(*args)


@cache
def native_store(store: type[SessionBase]) -> type[GuardedStore]:
    """Return a subclass of ``store`` for async code."""
    base = GuardedStore if _has_async_methods_of_its_own(store) else ThreadedStore
    # The name is part of the salt that stored sessions are signed with, and the sync instance has
    # to read them.
    names = {name: getattr(store, name) for name in ("__module__", "__qualname__", "__doc__")}
    if base is ThreadedStore:
        names["_is_in_a_cache"] = _is_plain(store, django_cache.SessionStore)
    if _is_plain(store, signed_cookies.SessionStore) or getattr(store, "never_blocks", False):
        names["never_blocks"] = True
    return cast("type[GuardedStore]", type(store.__name__, (base, store), names))


async def preload(session: Any) -> None:
    """Load ``session``, if that would block the event loop, so that sync code can read it.

    It may be another than a ``GuardedStore``: that of a ``SessionMiddleware`` in sync mode, say. It
    doesn't count as an access, which would let the response vary on the cookie.
    """
    if not isinstance(session, SessionBase) or _is_loaded(session):
        return
    if isinstance(session, GuardedStore) and session.way == "here":
        return
    accessed = session.accessed
    await session._aget_session()  # type: ignore[attr-defined]
    session.accessed = accessed


def _is_loaded(session: SessionBase) -> bool:
    return hasattr(session, "_session_cache") or session.session_key is None


def _has_async_methods_of_its_own(store: type) -> bool:
    """Whether an async method isn't Django's, nor older than the sync one that it stands for."""
    for name in _STORAGE:
        owner = _owner(store, f"a{name}")
        if not _is_django(owner) and issubclass(owner, _owner(store, name)):
            return True
    return False


def _owner(class_: type, name: str) -> type:
    return next(base for base in class_.__mro__ if name in vars(base))


def _is_django(class_: type) -> bool:
    return class_.__module__.startswith("django.contrib.sessions.")


def _is_plain(store: type, of: type) -> bool:
    """Whether ``store`` is one of Django's, or a subclass that stores nothing in its own way."""
    return issubclass(store, of) and all(
        _owner(store, name) is _owner(of, name) for name in _STORAGE
    )
