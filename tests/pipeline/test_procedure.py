"""What goes wrong in a step of a procedure is the procedure's business, whoever follows it."""

from __future__ import annotations

import asyncio

from pixieioc.pipeline.procedure import Call, Procedure
from tests.ioc.test_live import Heard, LivePipeline
from tests.recorder import Recorder


def _mending(done: list[str]) -> Procedure[str]:
    def fail() -> None:
        raise OSError("no descriptors are left")

    try:
        yield Call(fail)
    except OSError as error:
        done.append(str(error))
        yield Call(lambda: done.append("mended"))
    return "gone on"


def test_in_a_script(pipeline: Recorder) -> None:
    done: list[str] = []
    assert pipeline.follow(_mending(done)) == "gone on"
    assert done == ["no descriptors are left", "mended"]


def test_in_an_event_loop() -> None:
    done: list[str] = []

    async def follow() -> str:
        heard = Heard()
        pipeline = LivePipeline(heard, heard.on_change, {})
        try:
            return await pipeline.do(_mending(done))
        finally:
            await pipeline.end()

    assert asyncio.run(follow()) == "gone on"
    assert done == ["no descriptors are left", "mended"]
