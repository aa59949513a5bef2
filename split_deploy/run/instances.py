"""The instances of a topology: what serves each, under which settings, and where it answers."""

from dataclasses import dataclass
from typing import Literal

from split_deploy.conf import Role
from split_deploy.run.options import Options

Server = Literal["gunicorn", "granian", "uvicorn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One of the instances that a run starts."""

    #: Its role, by which the console calls it.
    role: Role
    server: Server
    #: ``module:attribute`` of its entry point.
    application: str
    settings: str
    #: Whether it is the one that migrates the databases and collects the static files.
    is_first: bool = True

    @property
    def socket(self) -> str:
        """The name of its Unix socket, in the folder of the run."""
        return f"{self.role}.sock"

    def health_path(self, prefix: str) -> str:
        """Where it says that it lives, with the async instance's URLs below ``prefix``."""
        return f"/{prefix}healthz/" if self.role == "async" else "/healthz/"


def instances(options: Options) -> tuple[Instance, ...]:
    """Return the instances of the topology that was asked for, the first one first."""
    if options.topology == "split":
        return (
            Instance(
                role="sync",
                server=options.sync_server,
                application=options.wsgi,
                settings=options.sync_settings,
            ),
            Instance(
                role="async",
                server="uvicorn",
                application=options.asgi,
                settings=options.async_settings,
                is_first=False,
            ),
        )
    return (
        Instance(
            role="mixed",
            server="gunicorn" if options.topology == "mixed" else "uvicorn",
            application=options.asgi,
            settings=options.mixed_settings,
        ),
    )
