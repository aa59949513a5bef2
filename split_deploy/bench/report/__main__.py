"""Make the page and the charts of a report again, of all that it has or of a part.

python -m split_deploy.bench.report bench --only json-async --output docs/assets/bench
"""

import argparse
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from split_deploy.bench.report.write import Report, ReportError, read, write

_FAILED: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0, or 2 with a message if there is no such report or part."""
    parser = argparse.ArgumentParser(prog="python -m split_deploy.bench.report")
    parser.description = __doc__.partition("\n")[0] if __doc__ else None
    parser.add_argument("report", type=Path, help="a report.json, or the folder of one")
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        default=[],
        help="this workload or curve alone, for charts that say less (repeatable)",
    )
    parser.add_argument(
        "--output", metavar="FOLDER", type=Path, help="where they are written [beside the report]"
    )
    namespace = parser.parse_args(arguments)
    path: Path = namespace.report
    output = namespace.output or (path if path.is_dir() else path.parent)
    try:
        report = read(path)
        if namespace.only:
            if output.resolve() == (path if path.is_dir() else path.parent).resolve():
                raise ReportError(
                    "--only would leave the rest of the report out of it: name another folder "
                    "with --output."
                )
            report = _part(report, namespace.only)
        written = write(report, output)
    except ReportError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return _FAILED
    print(*written, sep="\n")
    return 0


def _part(report: Report, names: Collection[str]) -> Report:
    """Return ``report`` with these workloads and curves. Raises ``ReportError``."""
    known = [each["name"] for kind in ("workloads", "curves") for each in report[kind]]
    for name in names:
        if name not in known:
            raise ReportError(f"--only {name!r}: there is none. Known: {', '.join(known)}.")
    return report | {
        kind: [each for each in report[kind] if each["name"] in names]
        for kind in ("workloads", "curves")
    }


if __name__ == "__main__":
    sys.exit(main())
