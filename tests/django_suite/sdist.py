"""Django's tests: they are in its source distribution, and in no wheel."""

import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

import django

ROOT: Final = Path(__file__).parents[2]

#: Where the tests are kept between runs. Git ignores it, and ``make clean`` deletes it.
CACHE: Final = ROOT / "var/django-suite"


def tests_of_django() -> Path:
    """Return the folder of the tests of the Django that is installed; get it first if need be.

    The source distribution is the one that the lock names by its hash.
    """
    tests = CACHE / f"django-{django.__version__}" / "tests"
    if not (tests / "runtests.py").exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            _unpack(_download(Path(folder)), Path(folder))
            (unpacked,) = Path(folder).glob("*/tests/runtests.py")
            tests.parent.mkdir(exist_ok=True)
            unpacked.parent.rename(tests)
    return tests


def are_here() -> bool:
    """Whether the tests are in the cache, so that no network is needed."""
    return (CACHE / f"django-{django.__version__}" / "tests/runtests.py").exists()


def _download(folder: Path) -> Path:
    locked = folder / "django.txt"
    locked.write_text(_locked(ROOT / "requirements/server.txt"))
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    only = ["--no-deps", "--no-binary=django", "--require-hashes", f"--requirement={locked}"]
    subprocess.run([*pip, *only, f"--dest={folder}"], check=True)
    (archive,) = folder.glob("*.tar.gz")
    return archive


def _locked(lock: Path) -> str:
    """The lines of ``lock`` that are about the Django that is installed."""
    found = re.search(
        rf"^django=={re.escape(django.__version__)} (?:.*\\\n)*.*", lock.read_text(), re.MULTILINE
    )
    if found is None:
        raise SystemExit(f"Django {django.__version__} is installed, and {lock} has another.")
    return found[0] + "\n"


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        tests = [member for member in tar if member.name.split("/")[1:2] == ["tests"]]
        tar.extractall(folder, tests, filter="data")
