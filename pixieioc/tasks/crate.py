"""The facts of the crate that several tasks need: declared once here, given once in the table [crate]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pixieioc.listmode.variant import ADC_RATES, CHANNELS, FIRST_REVISION, Variant, variant
from pixieioc.pipeline import Error, Parameter
from pixieioc.pipeline.declare import parameters_of

T = TypeVar("T")

#: The name of the table, and of these facts where a task's name is wanted.
CRATE = "crate"


class CrateFacts:
    """A task takes what it needs: `modules = CrateFacts.modules`. ADC rates and revisions are not in the data."""

    modules = Parameter(1, low=1, high=13, fixed=True, shared=True, doc="Number of modules, counted from module 0.")
    channels = Parameter(
        16, low=1, high=32, fixed=True, shared=True, doc="Channels of each module; above 16 with revision H only."
    )
    adc_mhz = Parameter(
        [500.0],
        items=float,
        low=100,
        high=500,
        unit="MHz",
        shared=True,
        doc="ADC rate, 100, 250 or 500: one value for all modules, or one per module.",
    )
    firmware_revision = Parameter(
        [34688.0],
        items=float,
        low=FIRST_REVISION,
        high=999_999,
        shared=True,
        doc="Firmware revision: one value for all modules, or one per module.",
    )

    @classmethod
    def do_check(cls, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """What is wrong with facts that do not fit together, by name."""
        modules, rates, revisions = settings["modules"], settings["adc_mhz"], settings["firmware_revision"]
        wrong = [
            (name, f"has {len(values)} values: must be one for all, or one for each of {modules} modules")
            for name, values in (("adc_mhz", rates), ("firmware_revision", revisions))
            if len(values) not in (1, modules)
        ]
        yield from wrong
        if wrong:
            return
        layouts: list[Variant] = []
        for module in range(max(len(rates), len(revisions))):
            try:
                layouts.append(layout_of(rates, revisions, module))
            except Error as error:
                yield "firmware_revision" if int(_of(rates, module, "")) in ADC_RATES else "adc_mhz", str(error)
        most = max((layout.channels for layout in layouts), default=CHANNELS)
        if settings["channels"] > most:
            yield "channels", f"at most {most}, those of a module with {layouts[0]}"


def is_crate_fact(cls: type, name: str) -> bool:
    """Whether the parameter `name` of a task is one of these facts."""
    facts = parameters_of(CrateFacts)
    return name in facts and parameters_of(cls).get(name) is facts[name]


def per_module(values: Sequence[T], modules: int, name: str) -> list[T]:
    """One value per module, where one is for all; Error if there are fewer than modules."""
    if len(values) == 1:
        return [values[0]] * modules
    if len(values) < modules:
        raise Error(f"{name} has {len(values)} values: must be one for all, or one for each of {modules} modules")
    return list(values[:modules])


def layout_of(rates: Sequence[float], revisions: Sequence[float], module: int) -> Variant:
    """The layout of a module's records, where one rate or revision is for all; Error if there is none."""
    try:
        return variant(int(_of(rates, module, "adc_mhz")), int(_of(revisions, module, "firmware_revision")))
    except ValueError as error:
        raise Error(f"module {module}: {error}") from None


def _of(values: Sequence[float], module: int, name: str) -> float:
    if len(values) == 1:
        return values[0]
    if module >= len(values):
        raise Error(f"module {module}: {name} has values for {len(values)} modules only (one value is for all)")
    return values[module]
