"""Users without a database, a middleware stack for each role, and something to send requests with.

A login is a signed cookie. To load a user blocks, as far as anybody can see: it is refused on the
event loop, and counted in ``loads``.
"""

import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import User
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.core.handlers.wsgi import WSGIHandler

from split_deploy._loop import refuse_on_the_loop

SYNC = [
    "split_deploy.middleware.InstanceMiddleware",
    "split_deploy.middleware.ContextMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]

#: How often each user was loaded, by primary key.
loads: Counter[int] = Counter()


def somebody(pk: int) -> User:
    return User(pk=pk, username=f"user-{pk}", password="!")


class Backend(BaseBackend):
    def get_user(self, user_id: int) -> User:
        refuse_on_the_loop("to load a user takes a query")
        loads[user_id] += 1
        return somebody(user_id)


BACKEND = f"{__name__}.Backend"


def cookie(pk: int) -> str:
    """The ``Cookie`` header of the user ``pk``, logged in."""
    session: Any = SessionStore()
    session[auth.SESSION_KEY] = str(pk)
    session[auth.BACKEND_SESSION_KEY] = BACKEND
    session[auth.HASH_SESSION_KEY] = somebody(pk).get_session_auth_hash()
    session.save()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


def cookie_headers(pk: int | None) -> dict[str, Any]:
    """For ``Exchange(scope=...)``."""
    headers = [] if pk is None else [(b"cookie", cookie(pk).encode())]
    return {"headers": headers}


@contextmanager
def wsgi(handler: WSGIHandler, path: str, pk: int | None = None) -> Iterator[Any]:
    """The response to a request, as a server has it: closed however it is left."""
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
    }
    if pk is not None:
        environ["HTTP_COOKIE"] = cookie(pk)
    response = handler(environ, lambda *_: None)
    try:
        yield response
    finally:
        response.close()
