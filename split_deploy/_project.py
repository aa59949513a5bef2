"""Which code is the project's own: the code that a report blames and that its reader can change."""

import os
import site
import sysconfig
from functools import cache
from pathlib import Path
from typing import Final

import asgiref.sync
import django


def folder(path: str | Path) -> str:
    """``path`` with a separator at its end: what is in /srv/site-old is not in /srv/site."""
    return f"{path}{os.sep}"


_LIBRARIES: Final = tuple(
    folder(path)
    for path in {
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        *site.getsitepackages(),
        site.getusersitepackages(),
        # These also where they are installed from a checkout.
        str(Path(asgiref.sync.__file__).parent),
        django.__path__[0],
        str(Path(__file__).parent),
    }
)

# Asked once: it is a system call, and this is called in the event loop.
_STARTED_IN: Final = folder(Path.cwd())


@cache
def is_project(filename: str) -> bool:
    """Whether ``filename``, as of a code object, is neither a library's nor ours nor built in."""
    return not filename.startswith(("<", *_LIBRARIES))


def as_read(filename: str) -> str:
    """Return ``filename`` as a reader knows it: relative to where the process was started."""
    return filename.removeprefix(_STARTED_IN)
