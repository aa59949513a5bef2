"""A call that is to run in a thread."""

import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from enum import Enum, auto
from functools import partial
from queue import SimpleQueue
from types import GeneratorType
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from split_deploy.pool.lease import Lease

Work: TypeAlias = tuple[Callable[..., Any], Any, dict[str, Any]]
Generator: TypeAlias = "GeneratorType[Any, Any, Any]"


class Begins(Enum):
    """With which company a lease begins its time on a thread."""

    #: No other lease has the thread.
    ALONE = auto()
    #: Others have it too.
    SHARING = auto()
    #: Others have it too, and one of them reads from a cursor of its connection.
    BESIDE_A_CURSOR = auto()


class Call(Future[Any]):
    """A function, and the future of its result."""

    def __init__(
        self, lease: "Lease", fn: Callable[..., Any], args: Any, kwargs: dict[str, Any]
    ) -> None:
        super().__init__()
        self.lease = lease
        self._work = (fn, args, kwargs)
        # These are the pool's.
        self.number = 0
        self.submitted = 0.0
        self.waited: float | None = None

    def cancel(self) -> bool:
        """Cancel it if it still waits, which frees its place."""
        cancelled = super().cancel()
        if cancelled:
            self.lease.pool.forget(self)
        return cancelled

    def settle(self, result: Any, error: BaseException | None) -> None:
        """Tell whoever waits."""
        if error is None:
            self.set_result(result)
        else:
            self.set_exception(error)

    def take_work(self) -> Work:
        """Return the function and its arguments, and let go of them."""
        work, self._work = self._work, None  # type: ignore[assignment]
        return work


def run(fn: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, BaseException | None]:
    """Return the result of a call, or the error, as ``Call.settle()`` takes them.

    To be called from a frame that lives on. An error's traceback holds on to this one's callers and
    their variables: among those of one that has ended must not be the ``Call``, which holds on to
    the error.
    """
    try:
        return fn(*args, **kwargs), None
    except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the future
        return None, error


def generators_of(fn: Any, args: Any, kwargs: dict[str, Any]) -> Iterator[Generator]:
    """Yield the sync generators among the arguments, or whose method ``fn`` is.

    For ``QuerySet.aiterator()`` it is ``next_slice(generator)``, which asgiref submits as
    ``partial(thread_handler, ..., partial(next_slice, generator))``.
    """
    while True:
        for argument in args:
            if type(argument) is GeneratorType:
                yield argument
        for argument in kwargs.values():
            if type(argument) is GeneratorType:
                yield argument
        if not isinstance(fn, partial):
            break
        args, kwargs = fn.args, fn.keywords
        inner = args[-1] if args else None
        fn = inner if isinstance(inner, partial) else fn.func
    owner = getattr(fn, "__self__", None)
    if type(owner) is GeneratorType:
        yield owner


class Held:
    """Generators that are suspended, for as long as they are and somebody holds them."""

    __slots__ = ("_references",)

    def __init__(self) -> None:
        self._references: dict[int, weakref.ref[Generator]] = {}

    def __bool__(self) -> bool:
        return bool(self._references)

    def note(self, generator: Generator, mailbox: "SimpleQueue[Any]") -> None:
        """See whether ``generator`` is suspended. When it is collected, ``mailbox`` gets a None."""
        references, key = self._references, id(generator)
        if not generator.gi_suspended:
            references.pop(key, None)
        elif key not in references:
            # It may be called anywhere, also where this thread holds the pool's lock.
            def collected(_: object) -> None:
                references.pop(key, None)
                mailbox.put(None)

            references[key] = weakref.ref(generator, collected)
