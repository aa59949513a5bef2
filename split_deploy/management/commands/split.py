import sys
from argparse import Namespace
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from split_deploy.cli import add_subcommands


class Command(BaseCommand):
    """The ``split-deploy`` command under the project's settings."""

    help = "The split-deploy command: run both instances, print the nginx configuration."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        add_subcommands(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        if status := options["handle"](Namespace(**options)):
            sys.exit(status)
