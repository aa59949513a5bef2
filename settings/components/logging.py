"""Everything goes to standard output, a line an event; what collects it is not Django's concern."""

from settings.env import env

_LEVEL = env.choice(
    "DJANGO_LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"), default="INFO"
)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "request": {"()": "split_deploy.logging.RequestContextFilter"},
    },
    "formatters": {
        "event": {
            "format": (
                "{asctime} {levelname} {name} role={role} request_id={request_id} user={user_id} "
                "{message}"
            ),
            "style": "{",
        },
        "access": {"()": "split_deploy.logging.AccessFormatter"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
            "filters": ["request"],
            "formatter": "event",
        },
        "access": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
            "formatter": "access",
        },
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "app": {"level": _LEVEL},
        "django": {"handlers": [], "level": _LEVEL},
        "split_deploy": {"level": _LEVEL},
        # The async instance's access log. Gunicorn writes the sync one's: see gunicorn.conf.py.
        "split_deploy.access": {
            "handlers": ["access"],
            "level": "INFO" if env.bool("ACCESS_LOG", default=True) else "CRITICAL",
            "propagate": False,
        },
    },
}
