"""An async view for a user who is logged in, with sessions in the database: stock and native.

    python benchmarks/async_session.py [--seconds 5] [--rounds 5] [--connections 64] [--threads 8]

As ``async_orm.py``, with ``await request.auser()``: session and user, both from PostgreSQL.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.async_orm import main

BARS = {
    "of stock with psycopg's pool": ("native", "stock, psycopg's pool", 2.0),
    "of stock": ("native", "stock", None),
    "of gthread": ("native", "gthread", None),
}

if __name__ == "__main__":
    main(__doc__, "session", BARS)
