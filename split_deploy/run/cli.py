"""Start the instances and nginx for the project in this folder; Ctrl-C stops them all."""

import argparse
import asyncio
import sys

from split_deploy.run.options import Options, OptionsError, add_arguments
from split_deploy.run.supervisor import Supervisor

__all__ = ["add_arguments", "handle"]

#: Something has to be changed before it can start: an option, a port, the settings.
CANNOT_START = 2


def handle(namespace: argparse.Namespace) -> int:
    """Return 0 after a signal, 1 when an instance or nginx died, or ``CANNOT_START``."""
    try:
        options = Options.from_namespace(namespace)
    except OptionsError as error:
        print(f"split-deploy run: {error}", file=sys.stderr)
        return CANNOT_START
    return asyncio.run(Supervisor(options).run())
