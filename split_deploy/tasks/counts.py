"""What ``statistics()`` is made of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """Work of one kind in this process. All but the first three are since its start."""

    #: How much of it can run at once.
    limit: int
    #: How much of it runs.
    running: int
    #: How much of it waits for its turn. Background tasks don't.
    waiting: int
    #: How much was accepted.
    accepted: int
    #: How much of that has returned.
    succeeded: int
    #: How much has raised an error.
    failed: int
    #: How much was cancelled: of calls those that had not begun.
    cancelled: int
    #: How much was refused with a ``CapacityError``.
    refused: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """What this process has done beside its requests, and does."""

    #: Of ``background()``.
    background: Counts
    #: Of ``run_in_thread()``.
    threads: Counts
    #: Of ``run_in_process()``.
    processes: Counts


class Tally:
    """Counts ends. Whoever uses it from several threads holds a lock."""

    __slots__ = ("accepted", "cancelled", "failed", "refused", "succeeded")

    def __init__(self) -> None:
        self.accepted = self.succeeded = self.failed = self.cancelled = self.refused = 0

    def ended(self, *, cancelled: bool, error: BaseException | None) -> None:
        """Count what has come to its end, and how."""
        if cancelled:
            self.cancelled += 1
        elif error is not None:
            self.failed += 1
        else:
            self.succeeded += 1

    def counts(self, *, limit: int, running: int, waiting: int = 0) -> Counts:
        """Return all of it."""
        return Counts(
            limit=limit,
            running=running,
            waiting=waiting,
            accepted=self.accepted,
            succeeded=self.succeeded,
            failed=self.failed,
            cancelled=self.cancelled,
            refused=self.refused,
        )
