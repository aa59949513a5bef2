"""SQLite by default, so that nothing has to be installed; PostgreSQL through DATABASE_URL."""

from settings.env import BASE_DIR, env

DATABASES = {
    "default": env.database("DATABASE_URL", default=f"sqlite:///{BASE_DIR}/var/db.sqlite3"),
}

_default = DATABASES["default"]
_options = _default.setdefault("OPTIONS", {})

if _default["ENGINE"] == "django.db.backends.sqlite3":
    # Two instances write to one file: with a write-ahead log readers don't wait for the writer, and
    # a transaction that takes the write lock at its start waits for it instead of failing midway.
    # https://docs.djangoproject.com/en/stable/ref/databases/#sqlite-transaction-behavior
    _options.setdefault("transaction_mode", "IMMEDIATE")
    _options.setdefault("timeout", 20)
    _options.setdefault("init_command", "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL")
else:
    # Each Gunicorn thread keeps its connection for this many seconds.
    _default["CONN_MAX_AGE"] = env.number("DATABASE_CONN_MAX_AGE", default=60)
    _default["CONN_HEALTH_CHECKS"] = True

if _default["ENGINE"] == "django.db.backends.postgresql":
    # Seconds. With a database that can't be reached /readyz/ fails and does not hang.
    _options.setdefault("connect_timeout", 5)
    # Milliseconds. The same for a connection that is open, and whose packets get lost.
    _options.setdefault("tcp_user_timeout", 5000)
