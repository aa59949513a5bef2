"""The files of a report, and reading one back.

``write()`` makes ``report.json``, ``report.html`` and the charts; ``schema.json`` beside this file
describes the first of them.
"""

import json
import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from split_deploy.bench.statistics import rounded

#: The version of ``schema.json``.
SCHEMA: Final = 2

#: A report: see ``schema.json``.
Report = dict[str, Any]


class ReportError(Exception):
    """A report can't be read or written; the message names the file and says what to do."""


def write(report: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write ``report`` into ``folder``, which is made if it isn't there; return the files.

    Floats are rounded to five significant digits, and what is no number becomes ``null``. Each file
    is whole or not there, and ``report.json``, from which the others can be made again, comes
    first. Charts of an earlier report are deleted. Raises ``ReportError`` if the folder can't be
    written to, or if matplotlib is not installed: then ``report.json`` is there.
    """
    clean: Report = _clean(report)
    try:
        charts = folder / "charts"
        charts.mkdir(parents=True, exist_ok=True)
        text = json.dumps(clean, indent=1, ensure_ascii=False, allow_nan=False)
        written = [_replace(folder / "report.json", f"{text}\n")]
        # Not at the top: what reads a report needs neither.
        try:
            from split_deploy.bench.report.charts import draw
            from split_deploy.bench.report.html import render
        except ModuleNotFoundError as error:
            raise ReportError(
                f"{error.name} is not installed, so there are no charts and no page, only "
                f"{written[0]}. Install it with: pip install 'django-split-deploy[bench]'"
            ) from error
        written.append(_replace(folder / "report.html", render(clean)))
        drawn = {charts / name: text for name, text in draw(clean).items()}
        for old in set(charts.glob("*.svg")) - drawn.keys():
            old.unlink()
        written += [_replace(path, text) for path, text in drawn.items()]
    except OSError as error:
        raise ReportError(f"The report can't be written to {folder}: {error}") from error
    return written


def read(path: Path) -> Report:
    """Return the report at ``path``: a ``report.json``, or the folder of one.

    Raises ``ReportError`` if there is none, or if it is one of another version.
    """
    path = path / "report.json" if path.is_dir() else path
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReportError(f"{path} can't be read: {error.strerror}.") from error
    except ValueError as error:
        raise ReportError(f"{path} is no JSON: {error}. Run the benchmark again.") from error
    version = report.get("schema") if isinstance(report, dict) else None
    if version != SCHEMA:
        raise ReportError(
            f"{path} has {version!r} for schema, and this version reads {SCHEMA}. "
            "Run the benchmark again, or read it with the version that wrote it."
        )
    return dict(report)


def _clean(value: Any) -> Any:
    """Return ``value`` with its floats rounded, at any depth."""
    if isinstance(value, float):
        return rounded(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def _replace(path: Path, text: str) -> Path:
    """Write ``path`` in one step: who looks sees the old file or the new one."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        # What mkstemp makes is for its user alone.
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path
