"""A test of an IOC from its beginning to its end: whether it may be tested, the checks, and all as it was."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pixieioc.conform.client import CaClient, NoAnswer, PutFailed
from pixieioc.conform.results import CannotTest, NotTried, Report, Result, Verdict, Violation
from pixieioc.conform.rules import CHECKS, Check
from pixieioc.conform.target import Allowed, Target

#: What each check begins with.
_BEGINNING = {"PresetMode": "No preset", "WaitForPipeline": "Yes", "FailPutOnError": "Yes", "AutoSave": "No"}
#: Seconds that a command of ours may take beyond what the rules say, between the checks.
_PATIENCE = 60.0


def conform(
    prefix: str,
    allowed: Allowed,
    rules: Iterable[int],
    *,
    force: bool = False,
    listener: Callable[[Result], None] = lambda result: None,
) -> Report:
    """Tests the IOC with this prefix; CannotTest if it must not be tested. It is left as it was."""
    client = CaClient(prefix)
    _permit(client, allowed, force=force)
    target, wanted, results = Target(client, allowed), set(rules), []
    left: list[str] = []
    with _as_it_was(client, left):
        for check in CHECKS:
            if check.rule in wanted:
                results.append(tried(check, target))
                listener(results[-1])
    return Report(prefix, tuple(results), tuple(left))


def tried(check: Check, target: Target) -> Result:
    """One check, from a known beginning; afterwards no run goes on."""
    target.steps.clear()
    began = time.monotonic()
    verdict, why = Verdict.OK, ""
    try:
        prepare(target)
        check.run(target)
    except NotTried as error:
        verdict, why = Verdict.NOT_TRIED, str(error)
    except (Violation, AssertionError) as error:
        verdict, why = Verdict.VIOLATED, str(error)
    except (NoAnswer, PutFailed, TimeoutError) as error:
        verdict, why = Verdict.VIOLATED, f"{type(error).__name__}: {error}"
    with suppress(NoAnswer, PutFailed, TimeoutError):
        _end_run(target.client)
    return Result(check.rule, check.name, check.promise, verdict, why, tuple(target.steps), time.monotonic() - began)


def prepare(target: Target) -> None:
    """Idle, with tasks, and with settings that each check may count on."""
    client = target.client
    _end_run(client)
    client.put("Reset", 1, _PATIENCE)
    for name, value in _BEGINNING.items():
        if target.has(name) and client.get(name) != value:  # not every chain saves files
            client.put(name, value, _PATIENCE)


def _end_run(client: CaClient) -> None:
    if client.get("Acquire_RBV") != "Done":
        client.put("Abort", 1, _PATIENCE)


def _permit(client: CaClient, allowed: Allowed, *, force: bool) -> None:
    """CannotTest says why this IOC must be left alone."""
    prefix = client.prefix
    try:
        simulated = client.get("SimMode_RBV", 10.0)
        if simulated != "Simulation" and not force:
            raise CannotTest(f"{prefix} is not in simulation (SimMode_RBV is {simulated}): nothing was written")
        if client.get("Acquire_RBV") != "Done":
            raise CannotTest(f"{prefix} has a run, which is not to be disturbed: {client.get('StatusMessage_RBV')}")
        if client.get("Ready_RBV") != "Yes":
            raise CannotTest(f"{prefix} is not ready for a run: {client.get('ReadyMessage_RBV')}")
        if "LoadFiles" in str(client.get("Tasks_RBV")).split(","):
            raise CannotTest(f"{prefix} reads files, which come to an end: use a chain with a source without end")
        if allowed.faults and client.get("ErrorLatched_RBV") != "OK":
            raise CannotTest(f"{prefix} has errors that nobody has acknowledged: do that first, or leave out --faults")
        if read_only := [name for name in ("ConfigJSON", "Acquire", "Kill", "Quit") if not client.writable(name)]:
            raise CannotTest(f"{prefix}: you may not write {', '.join(read_only)} from here")
    except NoAnswer as error:
        raise CannotTest(f"no answer: {error} (EPICS_CA_ADDR_LIST says where IOCs are looked for)") from None


@contextmanager
def _as_it_was(client: CaClient, left: list[str]) -> Iterator[None]:
    """Brings all settings back at the end, of which a file has a copy until then; `left` is what could not be."""
    before = str(client.get("ConfigJSON_RBV"))
    copy = Path(tempfile.gettempdir()) / f"pixieioc-conform-{client.prefix.strip(':')}-{os.getpid()}.json"
    copy.write_text(before, encoding="utf-8")
    try:
        yield
    finally:
        try:
            _end_run(client)
            client.put("Reset", 1, _PATIENCE)
            client.put("ConfigJSON", before, _PATIENCE)
            client.put("Configure", 1, _PATIENCE)
            left += _differences(json.loads(before), json.loads(str(client.get("ConfigJSON_RBV"))))
        except (NoAnswer, PutFailed, TimeoutError) as error:
            left.append(f"the settings could not be restored: {type(error).__name__}: {error}")
        if left:
            left.append(f"the settings as they were are in {copy}: caput -S {client.prefix}ConfigJSON")
        else:
            copy.unlink()


def _differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Settings that are not as they were."""
    return [
        f"{table}.{name} is {now.get(table, {}).get(name)!r}, was {value!r}"
        for table, values in before.items()
        for name, value in values.items()
        if now.get(table, {}).get(name) != value
    ]
