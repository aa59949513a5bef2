"""Which instance, which request and which user a log line belongs to."""

import logging

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
