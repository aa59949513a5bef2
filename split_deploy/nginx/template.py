"""The little that the template of an nginx configuration needs: placeholders and optional lines.

Two rules, chosen so that the template stays an nginx configuration to the eye and to an editor:

- ``%{name}`` is replaced by a value. (``$`` belongs to nginx.)
- Lines between ``#if name`` and ``#end`` are kept if the value is true, between ``#if not name``
  and ``#end`` if it is not. The markers stand alone in the first column, and may be nested.
"""

import re
import string
from collections.abc import Iterator, Mapping
from typing import Final

_MARKER: Final = re.compile(r"#(?:if (?P<negated>not )?(?P<name>\w+)|(?P<end>end))\n?")


class _Placeholders(string.Template):
    delimiter = "%"
    # Without the pattern's bare `%name`, a percent sign is just that.
    pattern = r"%(?:(?P<escaped>(?!))|(?P<named>(?!))|\{(?P<braced>[a-z_0-9]+)\}|(?P<invalid>\{))"  # type: ignore[assignment]


def fill(template: str, values: Mapping[str, object]) -> str:
    """Return ``template`` with ``values`` in place of its placeholders, less the lines ruled out.

    Raises ``KeyError`` for a name that ``values`` lacks, ``ValueError`` for unbalanced markers.
    """
    return _Placeholders("".join(_kept_lines(template, values))).substitute(values)


def _kept_lines(template: str, values: Mapping[str, object]) -> Iterator[str]:
    conditions: list[bool] = []
    for number, line in enumerate(template.splitlines(keepends=True), start=1):
        marker = _MARKER.fullmatch(line)
        if marker is None:
            if all(conditions):
                yield line
        elif marker["name"]:
            conditions.append(bool(values[marker["name"]]) is not bool(marker["negated"]))
        elif conditions:
            conditions.pop()
        else:
            raise ValueError(f"Line {number} of the template is an #end without its #if.")
    if conditions:
        raise ValueError("The template ends inside an #if.")
