"""``python -m split_deploy.run.prepare STATIC_DIR LINK``: what has to be done before a start.

Migrates the databases, collects the static files, and prints what nginx needs to know as one line
of JSON on the last line of its output. It is a process of its own because loading a project can
fail in any way, and because the supervisor has no use for a loaded one.
"""

import json
import sys
import traceback
from pathlib import Path
from typing import Any

FAILED = 2


def main(static_dir: str, link: str) -> int:
    """``static_dir`` is for projects without ``STATIC_ROOT``; ``link`` is ``"1"`` to symlink."""
    try:
        facts = _load_project()
    except Exception as error:  # noqa: BLE001 - a project can fail in any way
        print(_one_message(error), file=sys.stderr)
        return FAILED

    from django.conf import settings
    from django.core.management import CommandError, call_command

    if not settings.STATIC_ROOT:
        settings.STATIC_ROOT = static_dir
    try:
        call_command("migrate", interactive=False, verbosity=1)
        if facts["static_url"]:
            Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
            call_command("collectstatic", interactive=False, verbosity=0, link=link == "1")
    except CommandError as error:
        print(error, file=sys.stderr)
        return FAILED
    except Exception as error:  # noqa: BLE001 - a project can fail in any way
        print(_one_message(error), file=sys.stderr)
        return FAILED
    print(json.dumps(facts | {"static_root": str(settings.STATIC_ROOT)}))
    return 0


def _load_project() -> dict[str, Any]:
    import django

    django.setup()

    from django.apps import apps
    from django.conf import settings

    from split_deploy.conf import get_config

    url = settings.STATIC_URL if apps.is_installed("django.contrib.staticfiles") else None
    is_on_this_host = url is not None and url.startswith("/") and not url.startswith("//")
    return {
        "prefix": get_config().async_prefix,
        "allowed_hosts": list(settings.ALLOWED_HOSTS),
        "static_url": url if is_on_this_host else None,
    }


def _one_message(error: Exception) -> str:
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
        where = f" ({error.filename}:{error.lineno})"
    elif own:
        where = f" ({Path(own[-1].filename).relative_to(here)}:{own[-1].lineno})"
    else:
        where = ""
    return f"{type(error).__name__}: {error}{where}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
