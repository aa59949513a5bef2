"""The ``SPLIT_DEPLOY`` setting, typed and validated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final, Literal, get_args

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from split_deploy.prefix import DEFAULT_PREFIX, validate_prefix

Role = Literal["sync", "async", "mixed"]
ROLES: Final[tuple[str, ...]] = get_args(Role)
DEFAULT_THREADS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """``SPLIT_DEPLOY``: each field is the key of the same name in capitals."""

    #: Which of the instances this process is.
    role: Role
    #: The URL prefix of the async instance: no slash first, one last.
    async_prefix: str = DEFAULT_PREFIX
    #: The settings module of the sync instance.
    sync_settings: str = "settings.sync_only"
    #: The settings module of the async instance.
    async_settings: str = "settings.async_only"
    #: The ``ROOT_URLCONF`` of the sync instance, in which the async one's ``reverse()`` looks too.
    sync_urlconf: str = "urls"
    #: The ``ROOT_URLCONF`` of the async instance, in which the sync one's ``reverse()`` looks too.
    async_urlconf: str = "async_urls"
    #: Whether an instance refuses to start when a system check finds an error in it; otherwise it
    #: logs the error and starts.
    refuse_impure: bool = True
    #: Dotted paths of callables without arguments that return an async context manager. The async
    #: instance enters them in this order when it starts and leaves them in reverse when it stops.
    lifespan: tuple[str, ...] = ()
    #: Seconds for which the event loop may be blocked before the watchdog logs what blocks it.
    loop_block_warning: float = 0.25
    #: Seconds for which the event loop may be blocked before the async health check fails.
    loop_block_limit: float = 5.0
    #: Where blocking calls are let through that ``DEBUG`` and the tests refuse: the end of a file's
    #: path and the name of a function in it, like ``("app/async_views.py", "burn_some_meats")``.
    blocking_allowed: tuple[tuple[str, str], ...] = ()
    #: Seconds that background tasks, and calls in threads and processes, have together to end when
    #: the async instance stops.
    drain_timeout: float = 5.0
    #: How many threads a process of the async instance has at most, for what has to block.
    threads: int = DEFAULT_THREADS
    #: Whether a thread that is idle between two calls of a request, outside a transaction, may
    #: serve another request. Otherwise each has one for itself, from its first call to its end.
    share_idle_threads: bool = True
    #: How many tasks of ``background()`` a process has at most at once.
    background_tasks: int = 1000
    #: How many threads ``run_in_thread()`` has at most in a process.
    task_threads: int = 4
    #: How many processes ``run_in_process()`` has at most for each process of the instance.
    task_processes: int = 2
    #: How many calls of ``run_in_thread()``, and how many of ``run_in_process()``, may wait.
    task_queue: int = 100


def get_config() -> Config:
    """Return the validated ``SPLIT_DEPLOY`` setting of the settings in use.

    Raises ``ImproperlyConfigured``, naming the key at fault.
    """
    return _get_config()


@lru_cache(maxsize=1)
def _get_config() -> Config:
    raw = getattr(settings, "SPLIT_DEPLOY", None)
    if not isinstance(raw, Mapping):
        raise ImproperlyConfigured(
            f"The setting SPLIT_DEPLOY is {'missing' if raw is None else 'not a dict'}. "
            'Give it at least a role: SPLIT_DEPLOY = {"ROLE": "sync"}.'
        )
    if "ROLE" not in raw:
        raise ImproperlyConfigured(
            'SPLIT_DEPLOY["ROLE"] is missing: say which instance these settings are for, '
            f"one of {', '.join(ROLES)}."
        )
    return Config(**{str(key).lower(): _validated(key, value) for key, value in raw.items()})


def _validated(key: str, value: Any) -> Any:
    known = {item.name.upper(): item for item in fields(Config)}
    if key not in known:
        near = get_close_matches(str(key).upper(), known, n=1)
        raise ImproperlyConfigured(
            f'SPLIT_DEPLOY["{key}"] is not a known key'
            + (f'; did you mean "{near[0]}"?' if near else f". Known are: {', '.join(known)}.")
        )
    try:
        return _VALIDATORS[known[key].name](f'SPLIT_DEPLOY["{key}"]', value)
    except ValueError as error:
        raise ImproperlyConfigured(str(error)) from error


def _one_of_roles(name: str, value: Any) -> str:
    if value not in ROLES:
        raise ValueError(f"{name} is {value!r}: choose one of {', '.join(ROLES)}.")
    return str(value)


def _prefix(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}: it has to be a string like {DEFAULT_PREFIX!r}.")
    return validate_prefix(value, name=name)


def _dotted_path(name: str, value: Any) -> str:
    if not isinstance(value, str) or not all(part.isidentifier() for part in value.split(".")):
        raise ValueError(
            f"{name} is {value!r}: it has to be a dotted path, like 'settings.sync_only'."
        )
    return value


def _dotted_paths(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueError(f"{name} is {value!r}: it has to be a list of dotted paths.")
    return tuple(_dotted_path(f"{name}[{index}]", path) for index, path in enumerate(value))


def _places(name: str, value: Any) -> tuple[tuple[str, str], ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueError(f"{name} is {value!r}: it has to be a list of (file, function) pairs.")
    return tuple(_place(f"{name}[{index}]", place) for index, place in enumerate(value))


def _place(name: str, value: Any) -> tuple[str, str]:
    match value:
        case [str() as file, str() as function] if file.endswith(".py") and function.isidentifier():
            return file, function
    raise ValueError(
        f"{name} is {value!r}: it has to be a file and a function in it, "
        "like ('app/async_views.py', 'burn_some_meats')."
    )


def _boolean(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}: it has to be True or False.")
    return value


def _seconds(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise ValueError(f"{name} is {value!r}: it has to be a number of seconds above 0.")
    return float(value)


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is {value!r}: it has to be a whole number, at least 1.")
    return value


_VALIDATORS: Final = {
    "role": _one_of_roles,
    "async_prefix": _prefix,
    "sync_settings": _dotted_path,
    "async_settings": _dotted_path,
    "sync_urlconf": _dotted_path,
    "async_urlconf": _dotted_path,
    "refuse_impure": _boolean,
    "lifespan": _dotted_paths,
    "loop_block_warning": _seconds,
    "loop_block_limit": _seconds,
    "blocking_allowed": _places,
    "drain_timeout": _seconds,
    "threads": _count,
    "share_idle_threads": _boolean,
    "background_tasks": _count,
    "task_threads": _count,
    "task_processes": _count,
    "task_queue": _count,
}


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "SPLIT_DEPLOY":
        _get_config.cache_clear()


setting_changed.connect(_forget, dispatch_uid="split_deploy.conf")
