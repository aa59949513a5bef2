"""The garbage collector, once an instance is loaded."""

import gc


def freeze_what_is_loaded() -> None:
    """Let the collector not look again at what there is: modules, classes, URL patterns, settings.

    A full collection goes through all of it, while every request waits, and finds nothing: in this
    project that is half of the 99th percentile (docs/tuning.md). What is garbage already is
    collected first. What is frozen is freed as ever when nobody refers to it any longer, unless it
    is in a cycle.
    """
    gc.collect()
    gc.freeze()
