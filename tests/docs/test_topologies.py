"""docs/topologies.md: the hops of the mixed role, and which of the checks apply in it."""

import re

import httpx

from split_deploy.checks import messages
from tests.docs.pages import block
from tests.e2e.stack import ROOT

PAGE = "docs/topologies.md"


def test_the_hops_of_both_kinds_of_pages_are_those_of_the_page(start_stack):
    stack = start_stack(TOPOLOGY="mixed", WEB_CONCURRENCY="1")
    for line in block(PAGE, "The hops of a page of each kind").splitlines():
        path, hops = line.split()
        id_ = f"hops-of-{path.replace('/', '-')}"
        httpx.get(stack.url + path, headers={"X-Request-ID": id_})
        assert f" {hops} " in stack.wait_for_log(f"request_id={id_}")


def test_the_page_says_of_each_check_whether_it_applies():
    text = (ROOT / PAGE).read_text()
    table = text.split("| in the mixed role |", 1)[1].split("\n\n", 1)[0]
    # "E051 to E053" are three.
    table = re.sub(
        r"([EW])(\d+) to \1(\d+)",
        lambda m: " ".join(f"{m[1]}{n:03}" for n in range(int(m[2]), int(m[3]) + 1)),
        table,
    )
    named = re.findall(r"\b[EW]\d{3}\b", table)
    ids = {value.rpartition(".")[2] for name, value in vars(messages).items() if name.isupper()}
    # A check that could not run says so in any role.
    assert sorted(named) == sorted(ids - {"W091"})
