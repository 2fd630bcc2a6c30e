"""Clients of EPICS that put 1 to a process variable with completion, each in a program of its own.

`python -m tests.system.put_clients NAME PV` prints what the client makes of the answer.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

SECONDS = 20.0


def _said(call: Callable[[], Any]) -> str:
    try:
        return f"returns {call()!r}"
    except BaseException as error:
        text = str(error).splitlines()[0] if str(error) else ""
        return f"raises {type(error).__name__}: {text}"[:160]


def _caput(pv: str) -> str:
    program = os.environ.get("PIXIEIOC_CAPUT") or "caput"
    done = subprocess.run([program, "-c", "-w", str(SECONDS), pv, "1"], capture_output=True, text=True, check=False)
    return f"exit code {done.returncode}: {(done.stderr or done.stdout).strip().splitlines()[-1][:100]}"


def _caproto(pv: str) -> str:
    from caproto.threading.client import Context

    [channel] = Context().get_pvs(pv)
    return _said(lambda: channel.write(1, wait=True, timeout=SECONDS).status)


def _aioca(pv: str, **options: Any) -> str:
    import aioca

    return _said(lambda: asyncio.run(aioca.caput(pv, 1, wait=True, timeout=SECONDS, **options)))


def _aioca_quiet(pv: str) -> str:
    return _aioca(pv, throw=False)


def _pyepics(pv: str) -> str:
    epics = import_module("epics")

    return _said(lambda: epics.caput(pv, 1, wait=True, timeout=SECONDS))


def _ophyd(pv: str) -> str:
    signal_ = import_module("ophyd").EpicsSignal(pv, name="acquire", put_complete=True)
    signal_.wait_for_connection(timeout=10)
    return _said(lambda: signal_.set(1).wait(SECONDS))


def _ophyd_async(pv: str, protocol: str = "ca") -> str:
    core, epics = import_module("ophyd_async.core"), import_module("ophyd_async.epics.core")

    async def story() -> Any:
        async with core.init_devices():
            acquire = epics.epics_signal_rw(bool, f"{protocol}://{pv}", name="acquire")
        return await acquire.set(True, timeout=SECONDS)

    return _said(lambda: asyncio.run(story()))


def _ophyd_async_pva(pv: str) -> str:
    return _ophyd_async(pv, "pva")


def _p4p(pv: str) -> str:
    from p4p.client.thread import Context

    with Context("pva") as context:
        return _said(lambda: context.put(pv, 1, wait=True, timeout=SECONDS))


#: Name, what must be importable for it, and the call.
CLIENTS: dict[str, tuple[str, Callable[[str], str]]] = {
    "`caput -c` of EPICS Base": ("", _caput),
    "caproto `PV.write(wait=True)`": ("caproto", _caproto),
    "aioca `caput(wait=True)`": ("aioca", _aioca),
    "aioca `caput(wait=True, throw=False)`": ("aioca", _aioca_quiet),
    "pyepics `caput(wait=True)`": ("epics", _pyepics),
    "ophyd `EpicsSignal.set().wait()`": ("ophyd", _ophyd),
    "ophyd-async `set()`, `ca://`": ("ophyd_async", _ophyd_async),
    "ophyd-async `set()`, `pva://`": ("ophyd_async", _ophyd_async_pva),
    "p4p `Context.put(wait=True)`": ("p4p", _p4p),
}


def there(name: str) -> bool:
    """Whether a client is installed."""
    module = CLIENTS[name][0]
    return find_spec(module) is not None if module else bool(os.environ.get("PIXIEIOC_CAPUT") or shutil.which("caput"))


if __name__ == "__main__":
    began, outcome = time.monotonic(), CLIENTS[sys.argv[1]][1](sys.argv[2])
    print(outcome if time.monotonic() - began < SECONDS else f"nothing within {SECONDS:g} s; then {outcome}")
    sys.stdout.flush()
    os._exit(0)  # whatever threads a client library has
