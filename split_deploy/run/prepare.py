"""``python -m split_deploy.run.prepare``: what has to hold, and be done, before an instance starts.

A process of its own for each instance, under its settings, because loading a project can fail in
any way and the supervisor has no use for a loaded one. Each loads the settings, the URLs and the
entry point; one on Gunicorn also reads ``gunicorn.conf.py``, and the first one migrates the
databases and collects the static files.
"""

import argparse
import json
import runpy
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

FAILED = 2


def main() -> int:
    """Do each step until one fails. Return 0 or ``FAILED``; the result file has the rest, as JSON.

    That is ``{"problem": "...", "step": 1}``, or what nginx has to know.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("application", help="module:attribute of the entry point")
    parser.add_argument("result", type=Path, help="the file to write")
    parser.add_argument("--gunicorn", action="store_true", help="read gunicorn.conf.py")
    parser.add_argument("--first", action="store_true", help="do what is done once")
    parser.add_argument("--static", help="STATIC_ROOT of a project that has none")
    parser.add_argument("--link", action="store_true", help="link to static files, don't copy them")
    options = parser.parse_args()

    steps: list[tuple[str, Callable[[], Any]]] = [
        ("the settings", _load_settings),
        ("the URLs", _load_urls),
        (options.application, lambda: _load_application(options.application)),
    ]
    if options.gunicorn:
        steps.append(("gunicorn.conf.py", _read_gunicorn_configuration))
    if options.first:
        steps += [
            ("the migrations", _migrate),
            ("the static files", lambda: _collect_static(options.static, link=options.link)),
        ]
    for number, (name, step) in enumerate(steps):
        try:
            step()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a project can fail in any way
            problem = {"problem": f"{name}: {_one_message(error)}", "step": number}
            options.result.write_text(json.dumps(problem))
            return FAILED
    options.result.write_text(json.dumps(_facts()))
    return 0


def _load_settings() -> None:
    import django

    from split_deploy.conf import get_config

    django.setup()
    get_config()


def _load_urls() -> None:
    from django.core.checks.urls import check_resolver
    from django.urls import get_resolver

    check_resolver(get_resolver())


def _load_application(application: str) -> None:
    module, _, attribute = application.partition(":")
    loaded: Any = import_module(module)
    for name in attribute.split("."):
        loaded = getattr(loaded, name)


def _read_gunicorn_configuration() -> None:
    if Path("gunicorn.conf.py").exists():
        runpy.run_path("gunicorn.conf.py")


def _migrate() -> None:
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=1)


def _collect_static(folder: str, *, link: bool) -> None:
    from django.conf import settings
    from django.core.management import call_command

    if not settings.STATIC_ROOT:
        settings.STATIC_ROOT = folder
    if _static_url():
        Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
        call_command("collectstatic", interactive=False, verbosity=0, link=link)


def _facts() -> dict[str, Any]:
    from django.conf import settings

    from split_deploy.conf import get_config

    return {
        "prefix": get_config().async_prefix,
        "allowed_hosts": list(settings.ALLOWED_HOSTS),
        "static_url": _static_url(),
        "static_root": str(settings.STATIC_ROOT),
    }


def _static_url() -> str | None:
    """Where nginx is to serve static files, or ``None`` if another host does, or nobody."""
    from django.apps import apps
    from django.conf import settings

    url = settings.STATIC_URL if apps.is_installed("django.contrib.staticfiles") else None
    return url if url is not None and url.startswith("/") and not url.startswith("//") else None


def _one_message(error: BaseException) -> str:
    """The error, and the innermost line of the project that it comes from."""
    here = Path.cwd()
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(here)
        and not Path(frame.filename).is_relative_to(sys.prefix)
        and not Path(frame.filename).is_relative_to(Path(__file__).parent.parent)
    ]
    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__}: {error.msg} ({_short(error.filename)}:{error.lineno})"
    where = f" ({_short(own[-1].filename)}:{own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {error}{where}"


def _short(file: str) -> Path:
    path = Path(file)
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    sys.exit(main())
