"""What can go wrong before the work itself does."""


class CapacityError(RuntimeError):
    """This process has as much work of the kind as its settings allow. The work is not begun.

    A view that can't do without it answers 503.
    """


class ProcessError(RuntimeError):
    """A process of ``run_in_process()`` did not start, did not understand, or died."""
