"""Make what the workloads need, and remove it again.

    python -m benchmarks._site.prepare [--remove]

Makes the site's schema in PostgreSQL and a SQLite file, each with 100 entries, a user who
is logged in, and, once, a file of 100 MB; prints ``COOKIE=...``, the user's. ``--remove`` drops the
schema and the SQLite file. Exits with 2 if PostgreSQL can't be used.
"""

import argparse
import os
import sys
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection, connections, transaction


def main() -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--remove", action="store_true", help="remove what was made")
    given = parser.parse_args()
    # Whatever the environment says: those of another role or project would find another database.
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks._site.sync_settings"
    django.setup()
    try:
        remove()
        if not given.remove:
            print(f"COOKIE={make()}")
    except DatabaseError as error:
        print(
            f"The benchmark's PostgreSQL can't be used: {str(error).strip()}\n"
            "Name one in TEST_DATABASE_URL, such as "
            "postgres://user:password@127.0.0.1:5432/name, whose user may create schemas in it.",
            file=sys.stderr,
        )
        return 2
    return 0


def schema() -> str:
    """The name of the schema, as SQL has it."""
    return connection.ops.quote_name(settings.SCHEMA)


def remove() -> None:
    """Drop the schema, and delete the SQLite database."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {schema()} CASCADE")
    database = settings.DATABASES["sqlite"]["NAME"]
    for suffix in ("", "-wal", "-shm"):
        Path(f"{database}{suffix}").unlink(missing_ok=True)


def make() -> str:
    """Make all, and return the Cookie header of the login."""
    # After setup().
    from django.contrib.auth.models import User
    from django.test import Client

    from benchmarks._site.files import SIZE, large_file
    from benchmarks._site.models import Entry
    from benchmarks._site.views import ENTRIES

    settings.FOLDER.mkdir(parents=True, exist_ok=True)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {schema()}")
    for alias in connections:
        call_command("migrate", database=alias, verbosity=0)
        with transaction.atomic(using=alias):
            Entry.objects.using(alias).bulk_create(
                Entry(text=f"entry {number} " * 10) for number in range(ENTRIES)
            )
    if not large_file().exists() or large_file().stat().st_size != SIZE:
        write(large_file(), SIZE)
    client = Client()
    client.force_login(User.objects.create_user("alice"))
    return f"sessionid={client.cookies['sessionid'].value}"


def write(path: Path, size: int) -> None:
    """Write ``size`` bytes that no file system or proxy makes less of."""
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        while (left := size - file.tell()) > 0:
            file.write(os.urandom(min(left, 1_000_000)))
    unfinished.replace(path)


if __name__ == "__main__":
    sys.exit(main())
