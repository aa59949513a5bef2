"""docs/context.md: the code on it that is shown nowhere else."""

import asyncio

import pytest
from django.dispatch import Signal

from split_deploy import context
from split_deploy.context import impersonate
from tests.docs.pages import block
from tests.docs.test_reference import rows

PAGE = "docs/context.md"


@pytest.mark.asyncio
async def test_a_receiver_may_be_async(capsys):
    module = {}
    exec(block(PAGE, "A receiver that is async"), module)
    signal = Signal()
    signal.connect(module["note_who"])
    with impersonate("alice"):
        await asyncio.gather(signal.asend("order"))
    assert capsys.readouterr().out == "order by alice\n"


def test_the_table_has_all_functions():
    cells = [row[0].strip("`") for row in rows("context.md", "## What there is")]
    told = {cell.removeprefix("await ").split("(")[0] for cell in cells}
    assert told == {name for name in context.__all__ if not name.endswith("Error")}
