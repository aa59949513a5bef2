"""``wsgi.py`` or ``asgi.py``, with what ``BENCHMARK_RUNTIME`` says, like ``gc=50000``.

``BENCHMARK_DJANGO=handler`` has Django's own WSGI handler in place of the first.

No module of the package ``benchmarks``: see ``_what_helps_settings``.
"""

import gc
import os
import sys

RUNTIME = os.environ.get("BENCHMARK_RUNTIME", "")
if RUNTIME == "no-freeze":
    # In this process, which does nothing but be measured.
    gc.freeze = lambda: None

if "handler" in os.environ.get("BENCHMARK_DJANGO", ""):
    from django.core.wsgi import get_wsgi_application

    application = get_wsgi_application()
elif os.environ["BENCHMARK_ROLE"] == "sync":
    from wsgi import application
else:
    from asgi import application

__all__ = ["application"]

name, _, value = RUNTIME.partition("=")
match name:
    case "" | "no-freeze":
        pass
    case "gc":
        gc.set_threshold(int(value))
    case "no-gc":
        gc.disable()
    case "switch":
        sys.setswitchinterval(float(value))
    case _:
        raise SystemExit(f"BENCHMARK_RUNTIME={RUNTIME!r} is unknown.")
