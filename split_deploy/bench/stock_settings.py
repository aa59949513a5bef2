"""A project's settings as stock Django would have them, to be compared with its own.

``SPLIT_DEPLOY_BENCH_SETTINGS`` names the settings module, that of the mixed role;
``SPLIT_DEPLOY_BENCH_INTERFACE`` is ``asgi`` (the default) or ``wsgi``. ``stock_values`` says what
becomes of them. Raises ``ImproperlyConfigured`` if one of the two is not what it should be.
"""

import os
from typing import cast, get_args

from django.core.exceptions import ImproperlyConfigured

from split_deploy.bench.stock_values import Interface, stock_values

_module = os.environ.get("SPLIT_DEPLOY_BENCH_SETTINGS", "")
_interface = os.environ.get("SPLIT_DEPLOY_BENCH_INTERFACE", "asgi")
if not _module:
    raise ImproperlyConfigured(
        "SPLIT_DEPLOY_BENCH_SETTINGS is missing: name in it the settings module of the mixed role, "
        "such as settings.mixed."
    )
if _interface not in get_args(Interface):
    raise ImproperlyConfigured(
        f"SPLIT_DEPLOY_BENCH_INTERFACE is {_interface!r}: it has to be asgi or wsgi."
    )

globals().update(stock_values(_module, cast("Interface", _interface)))
