"""How the records of a module are read that says itself what it is."""

from __future__ import annotations

from collections.abc import Sequence

from pixieioc.hardware import ModuleInfo
from pixieioc.listmode.variant import Variant, variant
from pixieioc.pipeline import Error
from pixieioc.tasks.crate import CrateFacts, layout_of


def own_layout(module: int, info: ModuleInfo, rates: Sequence[float], revisions: Sequence[float]) -> list[int]:
    """ADC rate and firmware revision by which the module's records are read: its own, as far as it says so.

    Error if [crate] says something else, unless that is only what is there without anybody's doing.
    """
    given = layout_of(rates, revisions, module)
    revision = info.firmware or int(revisions[0] if len(revisions) == 1 else revisions[module])
    try:
        own: Variant | None = variant(info.adc_mhz, revision)
    except ValueError:
        own = None
    told_rate = rates != CrateFacts.adc_mhz.default
    told_revision = revisions != CrateFacts.firmware_revision.default
    if own is None or (told_rate and info.adc_mhz != given.adc_mhz) or (told_revision and own != given):
        raise Error(
            f"module {module} (slot {info.slot}) is {info.kind} with firmware revision "
            f"{info.firmware or 'unknown'}, but its records would be read as those of {given}: correct adc_mhz and "
            "firmware_revision in [crate]"
        )
    return [info.adc_mhz, revision]
