"""What ``startproject`` of the installed Django puts into a project's settings."""

import ast
import re
from pathlib import Path
from typing import Final

import django

_TEMPLATE: Final = "conf/project_template/project_name/settings.py-tpl"
_SETTINGS: Final = (Path(django.__file__).parent / _TEMPLATE).read_text()

#: Its ``MIDDLEWARE``.
SEVEN: Final[list[str]] = ast.literal_eval(
    re.search(r"^MIDDLEWARE = (\[.*?^\])", _SETTINGS, re.MULTILINE | re.DOTALL)[1]
)
