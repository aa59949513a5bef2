"""Which instance and which request a log line belongs to."""

import logging

from split_deploy import request_id
from split_deploy.conf import get_config


class RequestContextFilter(logging.Filter):
    """Add ``role`` and ``request_id`` to each record; ``"-"`` where there is no request."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.role = get_config().role
        record.request_id = request_id.current.get()
        return True
