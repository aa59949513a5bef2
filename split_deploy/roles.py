"""A role is stated by the settings module and verified by the entry point."""

from typing import Final

from django.conf import ENVIRONMENT_VARIABLE, settings
from django.core.exceptions import ImproperlyConfigured

from split_deploy.conf import Role, get_config

_SERVED_BY: Final[dict[Role, str]] = {
    "sync": "wsgi.py (Gunicorn)",
    "async": "asgi.py (Uvicorn)",
    "mixed": "asgi.py (Uvicorn)",
}


def verify_role(*allowed: Role) -> Role:
    """Return the role of the settings in use if it is one of ``allowed``.

    Called by the entry points, so that the wrong server with the wrong settings is an error at
    start and not a slow site.

    Raises ``ImproperlyConfigured``, which says which of the two to change.
    """
    config = get_config()
    if config.role not in allowed:
        module = getattr(settings, "SETTINGS_MODULE", "the settings in use")
        right = config.sync_settings if "sync" in allowed else config.async_settings
        raise ImproperlyConfigured(
            f"{_SERVED_BY[allowed[0]]} serves the {' or '.join(allowed)} role, but {module} has "
            f'SPLIT_DEPLOY["ROLE"] = "{config.role}". Either start this server with '
            f"{ENVIRONMENT_VARIABLE}={right}, or serve {module} with {_SERVED_BY[config.role]}."
        )
    return config.role
