"""Which transactions are open in this thread."""

from collections.abc import Iterator

from django.db import connections

#: By alias: how many ``atomic()`` blocks there are, and whether autocommit was turned off.
Open = dict[str, tuple[int, bool]]


def opened() -> Open:
    """Return the transactions that this thread is in."""
    return dict(_opened())


def _opened() -> Iterator[tuple[str, tuple[int, bool]]]:
    for connection in connections.all(initialized_only=True):
        blocks = len(connection.atomic_blocks)
        # With AUTOCOMMIT off in the settings there is a transaction after every query, and nothing
        # to complain of. Not get_autocommit(), which would connect.
        is_off = (
            connection.connection is not None
            and not connection.autocommit
            and connection.settings_dict["AUTOCOMMIT"]
        )
        if blocks or is_off:
            yield connection.alias, (blocks, is_off)


def opened_since(before: Open) -> str | None:
    """Return the alias of a database whose transaction was begun since ``opened()``, if any."""
    for alias, (blocks, is_off) in _opened():
        blocks_before, was_off = before.get(alias, (0, False))
        if blocks > blocks_before or (is_off and not was_off):
            return alias
    return None
