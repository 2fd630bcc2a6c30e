"""What the catalogue keeps of a sidecar, of whatever version: bytes in, a row out."""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec

from pixieioc.tasks.names import shown

#: How files ended that have ended as they should, by sidecars that do not know how the run did.
_GOOD_ENDS = ("run ended", "file limit", "")


#: What the index can hold, and what can be shown: whoever writes something else has damaged the sidecar.
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Time = Annotated[float, msgspec.Meta(ge=0, lt=2.5e11)]  # Unix time, s: up to the year 9892


class _Record(msgspec.Struct):
    title: str = ""
    experiment: str = ""
    operator: str = ""
    comment: str = ""
    ioc: str = ""
    end_time: _Time | None = None
    end_reason: str = ""
    good: bool | None = None
    failure: str = ""
    elapsed_real: float | None = None
    events: float | None = None
    losses: dict[str, dict[str, float]] = {}


class _Written(msgspec.Struct):
    end_reason: str = ""


class _Sidecar(msgspec.Struct):
    """No more than what is needed: a full crate has more than ten thousand settings, which nothing here looks at."""

    sidecar: int = 1
    run_id: _Count | None = None
    file: str = ""
    format: str = ""
    module: _Count | None = None
    part: _Count = 1
    start_time: _Time | None = None
    end_time: _Time | None = None
    end_reason: str = ""
    bytes: _Count | None = None
    sha256: str = ""
    events: _Count | None = None
    columns: msgspec.Raw = msgspec.Raw()
    written: _Written | None = None
    recovered: msgspec.Raw = msgspec.Raw()
    record: _Record | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A sidecar as a row of the index; `problem` says why there is nothing more of it, if so."""

    problem: str = ""
    run: str = ""  #: what all files of a run have in common
    run_id: int | None = None
    start: float | None = None
    end: float | None = None
    ioc: str = ""
    title: str = ""
    experiment: str = ""
    operator: str = ""
    comment: str = ""
    reason: str = ""
    good: int | None = None
    failure: str = ""
    elapsed: float | None = None
    events: float | None = None
    lossy: int = 0
    recorded: int = 0  #: whether it has the record of the run
    file: str = ""
    module: int | None = None
    part: int = 1
    bytes: int | None = None
    sha256: str = ""


def _is_alone(found: _Sidecar) -> bool:
    """Whether it is that of a run which has written no file, in the state folder of its IOC."""
    return found.record is not None and found.bytes is None and not found.file


_decode = msgspec.json.Decoder(_Sidecar).decode


def entry_of(name: str, content: bytes) -> Entry | None:
    """From the file `name`; None if it is no sidecar."""
    try:
        found = _decode(content)
    except (msgspec.DecodeError, RecursionError) as error:
        return _slowly(name, content, str(error))
    if found.run_id is None and not found.columns:
        return None  # another JSON file
    if found.bytes is None and not (found.columns or found.format) and not _is_alone(found):
        return None
    return _entry(name, found)


def _slowly(name: str, content: bytes, why: str) -> Entry:
    """A name of a file that UTF-8 cannot hold; or it is damaged."""
    try:
        plain: Any = json.loads(content)
        if isinstance(plain, dict):
            kept = {key: value for key, value in plain.items() if key != "configuration"}
            return _entry(name, _decode(json.dumps(kept, ensure_ascii=False).encode(errors="replace")))
    except (ValueError, RecursionError) as error:  # DecodeError is a ValueError
        why = str(error)
    return Entry(problem=f"damaged: {why}", run=f"?{shown(name)}")


def _entry(name: str, found: _Sidecar) -> Entry:
    record = found.record or _Record()
    known = bool(record.end_reason)
    ended = found.end_reason or (found.written.end_reason if found.written else "")
    good = record.good if known else (ended in _GOOD_ENDS and not found.recovered)
    number = "?" if found.run_id is None else str(found.run_id)
    return Entry(
        run=f"{number}@{found.start_time:.3f}" if found.start_time is not None else f"{number}?{shown(name)}",
        run_id=found.run_id,
        start=found.start_time,
        end=record.end_time or found.end_time,
        ioc=record.ioc,
        title=record.title,
        experiment=record.experiment,
        operator=record.operator,
        comment=record.comment,
        reason=record.end_reason if known else "recovered" if found.recovered else ended,
        good=None if good is None else int(good),
        failure=record.failure,
        elapsed=record.elapsed_real,
        events=record.events if record.events is not None else found.events,
        lossy=int(bool(record.losses)),
        recorded=int(known),
        file="" if _is_alone(found) else found.file or shown(name.removesuffix(".json")),
        module=found.module,
        part=found.part,
        bytes=found.bytes,
        sha256=found.sha256,
    )
