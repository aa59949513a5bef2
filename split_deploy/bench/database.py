"""``python -m split_deploy.bench.database``: print what a project's databases are.

In the last line, as JSON, whatever else the project prints.

Their versions, and of PostgreSQL the settings that decide what a write costs.
"""

import json
from typing import Final

import django
from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

#: https://www.postgresql.org/docs/current/runtime-config-wal.html
_SETTINGS: Final = ("fsync", "synchronous_commit")


def described(connection: BaseDatabaseWrapper) -> str:
    """Return name and version of ``connection``'s database, and such settings."""
    try:
        version = ".".join(map(str, connection.get_database_version()))
        said = [f"{connection.display_name} {version}"]
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                for name in _SETTINGS:
                    cursor.execute(f"SHOW {name}")
                    said.append(f"{name} {cursor.fetchone()[0]}")
    except DatabaseError as error:
        return f"not known: {error}".splitlines()[0]
    return ", ".join(said)


if __name__ == "__main__":
    django.setup()
    print("\n" + json.dumps({name: described(connections[name]) for name in connections}))
