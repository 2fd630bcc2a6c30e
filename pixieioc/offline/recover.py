"""Raw files of runs that were cut off: what is whole in them is counted, and they get their sidecars and names."""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

import pixieioc
from pixieioc.config import Config
from pixieioc.counted import counted
from pixieioc.listmode.stream import Decoder
from pixieioc.listmode.variant import VARIANTS, Variant, variant
from pixieioc.offline.recover_events import RecoveredEvents, belongs_to_another, recover_events
from pixieioc.offline.unwritten import unwritten
from pixieioc.pipeline import Error
from pixieioc.tasks.disk import rename_new, replace_file, sync
from pixieioc.tasks.names import natural_key, shown
from pixieioc.tasks.raw_file import as_json
from pixieioc.tasks.raw_names import begun

_PART, _ABOUT = ".part", ".json.part"
_BLOCK = 4 * 1024**2
#: Files of events that are not complete, whose end says where everything is; and those that can be recovered.
_PARQUET, _NPY = (".parquet.part", ".pq.part"), ".npy.part"


@dataclasses.dataclass(frozen=True)
class Layout:
    """How records are laid out in a module."""

    adc_mhz: int
    firmware: int


@dataclasses.dataclass(frozen=True)
class Recovered:
    """What there was in a file that was cut off; all of its bytes are kept."""

    file: str
    bytes: int
    records: int  #: that are whole
    bytes_left_over: int  #: at the end, of a record that is not
    corrupt_regions: int
    bytes_lost: int  #: in those, and thus in no record
    run_id: int | None
    module: int
    layout: str
    sha256: str

    def __str__(self) -> str:
        run = f"run {self.run_id}" if self.run_id is not None else "run not known"
        records, size = counted(self.records, "whole record"), counted(self.bytes, "byte")
        text = f"{self.file}: {run}, module {self.module}, {records} in {size}"
        if self.bytes_left_over:
            left = counted(self.bytes_left_over, "byte")
            text += f", with {left} of a record that is not whole at the end, kept"
        if self.corrupt_regions:
            regions = counted(self.corrupt_regions, "corrupt region")
            text += f", {regions} with {self.bytes_lost} bytes that are in no record"
        return text


def unfinished(names: Sequence[str]) -> list[Path]:
    """The files that names, or patterns, mean, without those that only tell of others. Error if there are none."""
    found: list[Path] = []
    for name in names:
        matches = [name]
        if not os.path.lexists(name) and glob.has_magic(name):
            matches = sorted(glob.glob(name, recursive=True), key=natural_key)  # noqa: PTH207 - it may be absolute
            if not matches:
                raise Error(f"no file matches {shown(name)}")
        found += [Path(match) for match in matches]
    return list(dict.fromkeys(path for path in found if not _describes_another(path)))


def layouts_of(
    adc_mhz: Sequence[float] | None, firmware: Sequence[float] | None, config: Config | None
) -> list[Layout]:
    """The layouts by module that are given, each by its own number or by a configuration; empty if none is."""
    settings: Mapping[str, Any] = config.crate if config is not None else {}
    rates = list(adc_mhz or cast("list[float]", settings.get("adc_mhz", [])))
    revisions = list(firmware or cast("list[float]", settings.get("firmware_revision", [])))
    if not rates and not revisions:
        return []
    return _spread(rates or [500.0], revisions or [34688.0])


def _of_decoder(settings: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """The settings of the task that decodes, whatever its name is; empty if there is none."""
    return next((values for values in settings.values() if {"adc_mhz", "firmware_revision"} <= values.keys()), {})


def _spread(rates: Sequence[float], revisions: Sequence[float]) -> list[Layout]:
    """Both by module: where there is one, it is for all."""
    count = max(len(rates), len(revisions))
    if {len(rates), len(revisions)} - {1, count}:
        raise Error(f"{len(rates)} ADC rates and {len(revisions)} firmware revisions: one of each, or one per module")
    pairs = [(each[0] if len(each) == 1 else each[i]) for i in range(count) for each in (rates, revisions)]
    return [Layout(int(rate), int(revision)) for rate, revision in zip(pairs[::2], pairs[1::2], strict=True)]


def recover_any(path: Path, layouts: Sequence[Layout] = ()) -> Recovered | RecoveredEvents:
    """Finishes a file of words, as `recover` does, or one of events."""
    return recover_events(path) if path.name.endswith(_NPY) else recover(path, layouts)


def recover(path: Path, layouts: Sequence[Layout] = ()) -> Recovered:
    """Finishes `<name>.part`: it becomes `<name>`, byte for byte as it is, with a sidecar that says what is in it.

    `layouts` are those of the modules (one is for all); without any, they are those that the run had. Raises Error,
    and leaves everything as it is, if the file is still being written or there is one with its name already.
    """
    _refuse_others(path)
    target = path.with_name(path.name.removesuffix(_PART))
    with unwritten(path) as file:
        if target.exists():
            raise Error(f"{shown(target)} exists already; nothing is overwritten")
        if not os.fstat(file.fileno()).st_size:
            raise Error(f"{shown(path)} is empty, there is nothing to recover; it can be removed")
        size, written = os.fstat(file.fileno()).st_size, os.fstat(file.fileno()).st_mtime
        about = _known(target)
        module, layout = about["module"], _layout(about, layouts)
        counts, digest = _count(file, layout, module)
        if os.fstat(file.fileno()).st_size != size:
            raise Error(f"{shown(path)} has changed while it was read: it is still being written")
        found = Recovered(
            file=str(target),
            bytes=size,
            records=counts.events,
            bytes_left_over=4 * counts.words_left_over + size % 4,
            corrupt_regions=counts.corrupt_regions,
            bytes_lost=4 * counts.words_lost,
            run_id=about["run_id"],
            module=module,
            layout=str(layout) if layout else str(_best(file, module)),
            sha256=digest,
        )
        _finish(path, target, found, {**about, "end_time": written})
    return found


def _refuse_others(path: Path) -> None:
    name = shown(path)
    if not path.is_file():
        raise Error(f"{name} is a folder: give the files in it" if path.is_dir() else f"no file {name}")
    if path.name.endswith(_PARQUET):
        raise Error(
            f"{name} is of a file of events that lacks its end, which says where everything is: replay makes it again "
            "from the raw files"
        )
    if path.name.endswith(_ABOUT):
        raise Error(f"{name} only describes a raw file, which is not there")
    if not path.name.endswith(_PART):
        raise Error(f"{name} is not of a run that was cut off: its name does not end with {_PART}")


def _describes_another(path: Path) -> bool:
    if path.name.endswith(_ABOUT):
        return path.with_name(path.name.removesuffix(_ABOUT) + _PART).exists()
    return belongs_to_another(path)


def _known(target: Path) -> dict[str, Any]:
    """What was written down when the run began, or what the name of the file tells."""
    try:
        content = json.loads(begun(target).read_bytes())
    except (OSError, ValueError):  # it was not written, or not to its end
        content = None
    about: dict[str, Any] = content if isinstance(content, dict) else {}
    about["file"] = target.name
    for name, pattern, otherwise in (("run_id", r"run_?(\d+)", None), ("module", r"mod(\d+)", 0)):
        if not isinstance(about.get(name), int):
            found = re.search(pattern, target.name)
            about[name] = int(found[1]) if found else otherwise
    return about


def _layout(about: dict[str, Any], layouts: Sequence[Layout]) -> Variant | None:
    """The layout of the module's records: that which was given, or that of the run; None if neither is known."""
    module = about["module"]
    if not layouts:
        try:
            settings = _of_decoder(about["configuration"])
            layouts = _spread(settings["adc_mhz"], settings["firmware_revision"])
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):  # a chain without decoder, or no sidecar
            return None
    if 1 < len(layouts) <= module:
        raise Error(f"module {module}: ADC rate and firmware of {len(layouts)} modules only are given")
    chosen = layouts[module if len(layouts) > 1 else 0]
    try:
        return variant(chosen.adc_mhz, chosen.firmware)
    except ValueError as error:
        raise Error(f"module {module}: {error}") from None


def _count(file: BinaryIO, layout: Variant | None, module: int) -> tuple[Any, str]:
    """What the decoder finds in the file, and its checksum."""
    chosen = layout or _best(file, module)
    decoder, digest, rest = Decoder(chosen, module), hashlib.sha256(), b""
    file.seek(0)
    while block := file.read(_BLOCK):
        digest.update(block)
        block = rest + block
        whole = len(block) - len(block) % 4
        decoder.feed(np.frombuffer(block[:whole], "<u4"))
        rest = block[whole:]
    decoder.finish()
    return decoder.counts, digest.hexdigest()


def _best(file: BinaryIO, module: int) -> Variant:
    """Of the ways in which lengths are laid out, the one that makes most of the beginning of the file whole records."""
    file.seek(0)
    block = file.read(_BLOCK)
    words = np.frombuffer(block[: len(block) - len(block) % 4], "<u4")
    found: dict[Variant, int] = {}
    forms = {(each.record_length, each.trace_length, each.slot): each for each in VARIANTS}
    for each in forms.values():
        decoder = Decoder(each, module)
        decoder.feed(words)
        decoder.finish()
        found[each] = decoder.counts.words_lost + decoder.counts.words_left_over
    # The newest firmware, where it makes no difference.
    return min(found, key=lambda each: (found[each], -each.first_revision, each.slot.shift))


def _finish(path: Path, target: Path, found: Recovered, about: dict[str, Any]) -> None:
    counted = ("records", "bytes_left_over", "corrupt_regions", "bytes_lost", "layout")
    recovered = {name: getattr(found, name) for name in counted}
    recovered |= {"time": time.time(), "software": f"pixieioc {pixieioc.__version__}"}
    content = {**about, "bytes": found.bytes, "sha256": found.sha256, "recovered": recovered}
    sidecar = target.with_name(target.name + ".json")
    try:
        _refuse_another(sidecar, found)
        sync(path)
        if not sidecar.exists():
            replace_file(sidecar, as_json(content))
        rename_new(path, target)
        begun(target).unlink(missing_ok=True)
        sync(target.parent)
    except FileExistsError:
        raise Error(f"{shown(target)} exists already; nothing is overwritten") from None
    except OSError as error:
        raise Error(f"cannot finish {shown(path)}: {error.strerror}") from error


def _refuse_another(sidecar: Path, found: Recovered) -> None:
    """A run may have been cut off between its sidecar and the name of its file; then the sidecar is right."""
    if not sidecar.exists():
        return
    try:
        content = json.loads(sidecar.read_bytes())
        same = (content["bytes"], content["sha256"]) == (found.bytes, found.sha256)
    except (ValueError, KeyError, TypeError):
        same = False
    if not same:
        raise Error(f"{shown(sidecar)} exists already, and is of other data; nothing is overwritten")
