"""The URL prefix of the async instance, and the rule for what may be one."""

import re
from typing import Final

DEFAULT_PREFIX: Final = "async/"

# One or more path segments of unreserved characters (RFC 3986, section 2.3), without the dot, so
# that no segment means "here" or "up": what nginx, Django and a browser all read alike, unencoded.
_PREFIX: Final = re.compile(r"(?:[A-Za-z0-9_~-]+/)+")


def validate_prefix(prefix: str, *, name: str) -> str:
    """Return ``prefix`` if it can be the URL prefix of the async instance.

    ``prefix`` is like ``"async/"`` or ``"api/live/"``: no slash first, one last, as in a Django
    ``path()``. ``name`` is what the error message calls it, the setting or the option.

    Raises ``ValueError``.
    """
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(
            f"{name} is {prefix!r}: write a prefix as in path(), with no slash first, one last and "
            f"only letters, digits, '-', '_' and '~' in between, like {DEFAULT_PREFIX!r}."
        )
    return prefix
