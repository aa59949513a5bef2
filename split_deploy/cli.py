"""The ``split-deploy`` command; ``manage.py split`` has the same subcommands."""

import argparse
from collections.abc import Sequence
from typing import cast

import split_deploy
from split_deploy.bench import cli as bench
from split_deploy.checks import cli as check
from split_deploy.nginx import cli as nginx
from split_deploy.run import cli as run

_SUBCOMMANDS = {
    "run": (run, "start the instances and nginx in front of them, on this machine"),
    "check": (check, "run the system checks for both roles"),
    "nginx": (nginx, "print the nginx configuration"),
    "bench": (bench, "measure the project in every topology, side by side"),
}


def add_subcommands(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the subcommands; ``handle`` in the namespace it parses runs one."""
    subparsers = parser.add_subparsers(title="subcommands", required=True, metavar="SUBCOMMAND")
    for name, (module, summary) in _SUBCOMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=module.__doc__)
        module.add_arguments(subparser)
        subparser.set_defaults(handle=module.handle)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand in ``arguments`` (``sys.argv`` by default) and return its exit status."""
    parser = argparse.ArgumentParser(prog="split-deploy", description=split_deploy.__doc__)
    parser.add_argument("--version", action="version", version=split_deploy.__version__)
    add_subcommands(parser)
    namespace = parser.parse_args(arguments)
    return cast(int, namespace.handle(namespace))
