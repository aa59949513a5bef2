#!/usr/bin/env python
"""Django's command line, under the sync instance's settings by default."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.sync_only")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # It names the setting or the variable; the traceback is that of a correct program.
        sys.exit(f"{os.environ['DJANGO_SETTINGS_MODULE']}: {error}")
