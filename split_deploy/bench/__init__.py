"""``split-deploy bench``: the same workloads through every topology, side by side, in one run.

Read it in this order: ``config`` (the file that says what is asked for), ``topologies`` (which
processes each of them has), ``servers`` (these, running behind nginx), ``load`` (who asks),
``cell`` (one workload on one topology, once), ``run`` (all of them, interleaved, and the curves),
``found`` (what they come to, with ``statistics``, ``growth`` and ``noise``), ``report`` (what is
shown and written), ``compare`` (two reports).

What it serves and runs itself: ``stock`` (the project as stock Django has it), ``counting`` (the
thread hops, which ``counts`` reads), ``slow`` (a server that answers late).
"""
