"""What Django's database settings mean under ASGI."""

from collections.abc import Iterator

from django.conf import settings
from django.core.checks import CheckMessage, Error

from split_deploy.checks import messages
from split_deploy.conf import get_config


def check() -> Iterator[CheckMessage]:
    """E041, E042: in the async role."""
    if get_config().role != "async":
        return
    for alias, database in settings.DATABASES.items():
        where = f'DATABASES["{alias}"]'
        if database.get("ATOMIC_REQUESTS"):
            yield Error(
                f'{where}["ATOMIC_REQUESTS"] is on in the async role, where a transaction cannot '
                "span a view: every async view would fail.",
                hint="Set it to False in the async instance's settings, and put what belongs "
                "together in a sync function with @transaction.atomic, called by sync_to_async().",
                obj=where,
                id=messages.ATOMIC_REQUESTS,
            )
        # None means for ever, 0 (the default) for one request.
        if database.get("CONN_MAX_AGE", 0) != 0:
            yield Error(
                f'{where}["CONN_MAX_AGE"] is {database["CONN_MAX_AGE"]} in the async role: each '
                "request there has a thread of its own for the database, so a connection that is "
                "kept is never used again, and stays open until the garbage collector finds it.",
                hint="Set it to 0 in the async instance's settings; the database's own pooler, or "
                'psycopg\'s pool in OPTIONS["pool"], can keep connections.',
                obj=where,
                id=messages.PERSISTENT_CONNECTIONS,
            )
