"""What was changed in modules since a file of settings was loaded: kept on disk, and brought back behind a boot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pixieioc.hardware import HardwareError, ModuleInfo
from pixieioc.hardware.changed_settings import ChangedSettings
from pixieioc.hardware.crate_settings import CrateSettings
from pixieioc.hardware.setting_table import BITS, Setting
from pixieioc.pipeline.channel_values import place_name
from pixieioc.tasks.disk import read_file
from pixieioc.tasks.module_settings import SETTINGS
from pixieioc.tasks.versions import Versions

_NAME = "module-settings"


class KeptChanges:
    """Those in a folder, which may be None: then nothing is kept.

    Each is written to its module again with the checks of a put. What is not possible any more is told and waits for a
    boot that can, until somebody writes that setting or accepts the settings as they are.
    """

    def __init__(self, folder: Path | None) -> None:
        self._versions = None if folder is None else Versions(folder, _NAME, ".json")
        self._content = b""
        self._changed = ChangedSettings("", "")
        self._damaged = ""
        self._impossible: dict[Setting, tuple[float, HardwareError]] = {}

    def read(self) -> ChangedSettings | None:
        """What the newest version has that can be read; the next one has that of modules which are not there, too."""
        kept, _, _ = self._newest()
        self._changed = kept or self._changed
        return kept

    def bring_back(self, settings: CrateSettings, modules: Sequence[ModuleInfo], file: str) -> Iterator[str]:
        """Has modules that have booted with a file use again what was changed in them; yields what is to be told."""
        self.accept()
        kept, used, bad = self._newest()
        if bad:
            then = f"those of {used}" if used else "lost"
            self._damaged = f"settings that were changed before the boot are {then}: {bad[0]} cannot be read"
            yield self._damaged
        if kept is None or not kept.modules:
            return
        if kept.file != file:
            yield "settings that were changed were those of another file: they are not used"
            return
        if absent := kept.absent(modules):
            yield f"settings that were changed are kept for modules that are not there: {', '.join(map(str, absent))}"
        wanted = {key: value for key, value in kept.of(modules).items() if key[0] in SETTINGS}
        self._impossible = {key: (wanted[key], why) for key, why in settings.apply_possible(wanted).items()}
        for reason in self._reasons(all_places=True):
            yield f"a setting that was changed before the boot is not used: {reason}"

    def written(self, settings: Iterable[Setting]) -> None:
        """These have got other values: what they had does not wait any more."""
        for name, place in settings:
            self._impossible.pop((BITS[name].register if name in BITS else name, place), None)

    def accept(self) -> None:
        """The settings are taken as they are: nothing is lost, and nothing waits."""
        self._damaged, self._impossible = "", {}

    @property
    def lost(self) -> str:
        """Why what was changed before the boot is not in use; empty: it is."""
        reasons = "; ".join(self._reasons())
        not_used = f"not used, of what was changed before the boot: {reasons}" if reasons else ""
        return "; ".join(filter(None, (self._damaged, not_used)))

    def keep(self, configured: str, file: str, modules: Sequence[ModuleInfo], changes: Mapping[Setting, float]) -> None:
        """Keeps what is changed now, and what waits, for the next boot; OSError if it cannot be kept."""
        waiting = {key: value for key, (value, _) in self._impossible.items()}
        self._changed = self._changed.now(configured, file, modules, {**waiting, **changes})
        content = self._changed.content()
        if self._versions is not None and content != self._content:
            self._versions.write(content)
            self._content = content

    def _newest(self) -> tuple[ChangedSettings | None, str, list[Path]]:
        """What the newest version has that can be read, its name, and newer ones that cannot be."""
        bad: list[Path] = []
        with suppress(FileNotFoundError):  # the folder is not there yet
            for path in self._versions.paths() if self._versions is not None else ():
                try:
                    return ChangedSettings.parse(read_file(path)), path.name, bad
                except (OSError, ValueError):
                    bad.append(path)
        return None, "", bad

    def _reasons(self, *, all_places: bool = False) -> Iterator[str]:
        """Why what waits is not possible, a sentence for each parameter."""
        by_name: dict[str, list[tuple[int, ...]]] = {}
        for name, place in self._impossible:
            by_name.setdefault(name, []).append(place)
        for name, (first, *more) in by_name.items():
            others = [f"{place_name(place)} ({self._impossible[name, place][0]:g})" for place in more]
            told = f"also in {', '.join(others)}" if all_places else f"and {len(more)} more"
            _, why = self._impossible[name, first]
            yield f"{why}, {told}" if more else str(why)
