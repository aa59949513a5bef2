"""The same two endpoints in each mode; each says whether an event loop runs where it does."""

import asyncio

import pydantic
from dmr import Body, Controller
from dmr.plugins.pydantic import PydanticSerializer


class Name(pydantic.BaseModel):
    name: str


class Answer(pydantic.BaseModel):
    greeting: str
    on_the_loop: bool


def _answer(name: str) -> Answer:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return Answer(greeting=f"Hello, {name}", on_the_loop=False)
    return Answer(greeting=f"Hello, {name}", on_the_loop=True)


class SyncGreeting(Controller[PydanticSerializer]):
    def get(self) -> Answer:
        return _answer("you")

    def post(self, parsed_body: Body[Name]) -> Answer:
        return _answer(parsed_body.name)


class AsyncGreeting(Controller[PydanticSerializer]):
    async def get(self) -> Answer:
        return _answer("you")

    async def post(self, parsed_body: Body[Name]) -> Answer:
        await asyncio.sleep(0)
        return _answer(parsed_body.name)
