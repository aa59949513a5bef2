"""Everything under ASGI: one instance, ``asgi.py``, the URLs of both. See docs/topologies.md."""

from split_settings.tools import include

include("shared.py", "components/async_database.py")

ROOT_URLCONF = "mixed_urls"
SPLIT_DEPLOY["ROLE"] = "mixed"
