"""Which Gunicorn is installed, and whether it is new enough."""

import re
from importlib.metadata import PackageNotFoundError, version
from typing import Final

#: What this package is made for and tested with.
OLDEST_GUNICORN: Final = 27


def what_is_wrong_with_gunicorn() -> str | None:
    """Return what is wrong with the version of the installed Gunicorn, and the remedy, or ``None``.

    ``gunicorn[fast]`` is how one can come by an older one unasked: the extra wants a gunicorn_h1c
    that need not be published yet, and pip then takes, without a word, the newest Gunicorn whose
    extra it can satisfy.
    """
    try:
        installed = version("gunicorn")
    except PackageNotFoundError:
        return None
    major = re.match(r"\d+", installed)
    if major is None or int(major[0]) >= OLDEST_GUNICORN:
        return None
    return (
        f"Gunicorn {installed} is installed, and {OLDEST_GUNICORN} or later is needed. "
        f'Install it without extras: pip install "gunicorn>={OLDEST_GUNICORN}". '
        "(gunicorn[fast] makes pip take an older one.)"
    )
