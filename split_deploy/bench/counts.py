"""How many thread hops a request makes, by servers that count them: see ``counting``."""

import http.client
import json
import socket
import time
from typing import Final

from split_deploy.bench.load.figures import Figures, Request
from split_deploy.bench.load.wire import encoded
from split_deploy.bench.servers import Servers

#: Requests before the first count, for what is done once, and those that are counted.
_WARM_UP, _COUNTED = 3, 5
#: Seconds after an answer in which the rest of its request ends.
_END: Final = 0.5
_PATH: Final = "/__bench__/counts"
_OK: Final = 200


def counted(servers: Servers, request: Request) -> Figures:
    """Return ``hops`` and ``event_loops`` of one request; nothing if it isn't answered."""
    found = []
    for number in (_WARM_UP, _COUNTED):
        for _ in range(number):
            if not _is_answered(servers, request):
                return {}
        time.sleep(_END)
        if (counts := _counts(servers)) is None:
            return {}
        found.append(counts)
    before, after = found
    return {name: (after[name] - before[name]) / _COUNTED for name in ("hops", "event_loops")}


def _counts(servers: Servers) -> Figures | None:
    total: Figures = {"hops": 0, "event_loops": 0}
    for spec in servers.specs:
        status, body = servers.ask(spec, _PATH)
        if status != _OK:
            return None
        each = json.loads(body)
        total = {name: value + each[name] for name, value in total.items()}
    return total


def _is_answered(servers: Servers, request: Request) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", servers.port), timeout=30) as connection:
            connection.sendall(encoded(request, servers.url))
            response = http.client.HTTPResponse(connection, method=request.method)
            response.begin()
            while response.read(1 << 20):
                pass
            return response.status < 400
    except (OSError, http.client.HTTPException):
        return False
