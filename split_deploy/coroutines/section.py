"""``async with io:``: a section on the event loop."""

import asyncio
from types import TracebackType
from typing import Final

from split_deploy.coroutines.run import current
from split_deploy.coroutines.switches import ToLoop, ToThread


class _IO:
    async def __aenter__(self) -> None:
        run = current()
        if run is None:
            _require_loop()
            return
        if not run.sections:
            await ToLoop()
        run.sections += 1

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        run = current()
        if run is None:
            return
        run.sections -= 1
        # Whoever closes a coroutine waits for nothing.
        if not run.sections and (exc_type is not GeneratorExit or run.is_closing):
            await ToThread()


def _require_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "`async with io:` needs an event loop to go to: decorate the view with @blocking_first."
        ) from None


#: Its body runs on the event loop, and the thread is given back meanwhile, with its database
#: connection. It may be inside another one, and in code that is on the event loop anyway; there it
#: does nothing. Raises ``TransactionManagementError`` on entering inside a transaction, and
#: ``asyncio.CancelledError`` if the request was cancelled before.
io: Final = _IO()
