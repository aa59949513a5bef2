"""Which instance, which request and which user a log line belongs to."""

import logging
import time

from split_deploy import request_id
from split_deploy.conf import get_config
from split_deploy.context import current_user_id


class RequestContextFilter(logging.Filter):
    """Add ``role``, ``request_id`` and ``user_id`` to each record.

    ``"-"`` for an id where there is no request, and where nobody is logged in or the user has not
    been loaded, which a log line doesn't do.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        record.role = get_config().role
        record.request_id = request_id.current.get()
        record.user_id = current_user_id()
        return True


class AccessFormatter(logging.Formatter):
    """``{asctime} {message}``, in less time: for a log that has a line for each request.

    What ``logging.Formatter("{asctime} {message}", style="{")`` writes. The time is made into text
    once a second, and only the milliseconds for each record.
    """

    def __init__(self) -> None:
        super().__init__("{asctime} {message}", style="{")
        self._time = (-1, "")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return f"{self.formatTime(record)} {record.getMessage()}"

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """Return the local time, in milliseconds."""
        second = int(record.created)
        noted = self._time
        if noted[0] != second:
            text = time.strftime(self.default_time_format, time.localtime(second))
            noted = self._time = (second, text)
        return f"{noted[1]},{int(record.msecs):03d}"
