"""What a task does that lets others set its modules up: writes, copies, files, and what is kept for the next start."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pixieioc.hardware import Crate, HardwareError
from pixieioc.hardware import setting_files as files
from pixieioc.hardware.crate_settings import CrateSettings
from pixieioc.hardware.setting_table import BITS, Setting
from pixieioc.pipeline import Error, Parameter, Report
from pixieioc.pipeline.channel_values import place_name
from pixieioc.tasks.copy_settings import CopySettings, channels_in
from pixieioc.tasks.crate_boot import CrateBoot
from pixieioc.tasks.kept_changes import KeptChanges
from pixieioc.tasks.module_settings import (
    DeclaredSettings,
    answer,
    differences,
    in_use,
    limits_of,
    writes_of,
)

#: Does something with the modules; the settings are then as the modules have them.
Tool = Callable[[CrateSettings], None]


class SetupModules(CopySettings, DeclaredSettings, CrateBoot):
    """The settings of modules and channels of a crate; the task calls `follow_boots` where that may have booted.

    What is in use is what the modules answer. What was changed since a file of settings was loaded is kept in the
    IOC's state folder, and written again after each boot that finds the module.
    """

    state_folder: Path | None
    is_successor: bool
    if TYPE_CHECKING:

        def print(self, string: str) -> None: ...
        def send_in_use(self, values: Mapping[str, Any], limits: Mapping[str, Any] = MappingProxyType({})) -> None: ...

    settings_comment = Parameter(
        "",
        longest=1000,
        shared=True,
        section="modules",
        doc="What SaveSettings notes about the settings; LoadSettings shows it.",
    )
    load_settings = Parameter(
        False,
        command=True,
        access="EX",
        shared=True,
        section="modules",
        device=True,
        doc="Loads SettingsFile into the modules: what was changed is given up.",
    )
    save_settings = Parameter(
        False,
        command=True,
        access="EX",
        shared=True,
        section="modules",
        device=True,
        doc="Saves the settings of all modules in SettingsFile, with SettingsComment.",
    )

    settings_changed = Report(
        False,
        shared=True,
        section="modules",
        pv="SettingsChanged_RBV",
        doc="Whether settings are not as in the file that was loaded.",
    )
    settings_changes = Report(
        "",
        shared=True,
        section="modules",
        pv="SettingsChanges_RBV",
        longest=4096,
        doc="What was changed since the file of settings was loaded; first what of it the last boot has not, and why.",
    )
    settings_lost = Report(
        False,
        severities=("NO_ALARM", "MINOR"),
        shared=True,
        section="modules",
        pv="SettingsLost_RBV",
        doc="Whether the last boot could not bring back all that was changed before; why, SettingsChanges says first.",
        guidance="Compare the settings of the modules with what they must be: SettingsChanges says what is not in use "
        "and why. Write those settings anew; LoadSettings loads SettingsFile, SaveSettings accepts them as they are.",
    )
    settings_files = Report(
        "",
        shared=True,
        section="modules",
        pv="SettingsFiles_RBV",
        doc="Files of settings beside SettingsFile, with their comments.",
    )

    def begin_settings(self) -> None:
        """Nothing is known of the modules yet."""
        self._settings: CrateSettings | None = None
        self._boots_seen = 0
        self._configured = self.settings_file
        self._kept = KeptChanges(self.state_folder)
        kept = self._kept.read()
        if kept is not None and self.settings_file in (kept.configured, kept.file):
            # The configuration is what it was: another file that was in use before the restart still is.
            self._configured = kept.configured
            if kept.file != self.settings_file and not self.is_successor:
                # Before the boot, which can fail because of this file: who reads SettingsFile must see its name.
                self.send_in_use({"settings_file": kept.file})

    @property
    def channels_there(self) -> list[int]:
        """How many channels each module has: as far as is known, those that are configured."""
        known = self._settings if self.owner.modules else None
        return channels_in(known) if known is not None else [self.channels] * self.modules

    def begin_boot(self, *, fast: bool) -> None:
        if not self.owner.booting:
            self._settings = None
        super().begin_boot(fast=fast)

    def settle_boot(self, crate: Crate) -> None:
        """Reads the settings, and has the modules use what was changed before the boot."""
        settings = CrateSettings(crate, self.channels)
        self._loaded = settings.copied()
        for line in self._kept.bring_back(settings, crate.modules, self.settings_file):
            self.print(line)
        self._settings = settings

    def follow_boots(self) -> None:
        """Tells what is in use after a boot."""
        owner, settings = self.owner, self._settings
        if owner.boots == self._boots_seen or owner.booting or settings is None:
            return
        self._boots_seen = owner.boots
        for doubt in owner.doubts:
            self.print(f"the file of settings of the boot: {doubt}")
        self.send_in_use(in_use(settings, self.modules, self.channels), limits_of(list(owner.modules[: self.modules])))
        self._note_changes()
        self._list_files()

    def do_apply(self, changes: dict[str, Any]) -> dict[str, Any] | None:
        commands = [name for name, value in changes.items() if value is True]
        writes = writes_of(changes)
        copied = [name for name in commands if name.startswith("copy_")]
        filed = [name for name in ("load_settings", "save_settings") if name in commands]
        tools = [tool for name, tool in self.tools().items() if name in commands]
        if not (writes or copied or filed or tools):
            return None
        self.follow_boots()  # a command that follows a boot at once comes before the task looks by itself
        more: dict[str, Any] = {}
        with self._as_refusal() as (settings, before):
            wanted = {**writes, **self.copies(copied, settings)}
            settings.apply(wanted)
            self._kept.written(wanted)
            for tool in tools:
                self.use_tool(tool, settings)
            if "load_settings" in filed:
                more = self._load(settings)
            if "save_settings" in filed:
                self._save(settings)
        self._note_changes()
        changed = [setting for setting, _ in differences(before, settings.values)]
        return {**answer(settings, [*writes, *changed]), **more}

    def tools(self) -> dict[str, Tool]:
        """What commands do with the modules that is more than writing settings, by the command's parameter."""
        return {}

    def use_tool(self, tool: Tool, settings: CrateSettings) -> None:
        """Uses a tool, which may change settings by itself; also before it fails."""
        try:
            tool(settings)
        except HardwareError:
            with suppress(HardwareError):
                settings.read()
            raise

    def _known(self) -> CrateSettings:
        """The settings of the modules; HardwareError that says why there are none."""
        self.owner.crate  # noqa: B018  # raises while there is none
        assert self._settings is not None, "a boot has read them"
        return self._settings

    @contextmanager
    def _as_refusal(self) -> Generator[tuple[CrateSettings, dict[str, Any]]]:
        """The settings, and all values before; what the hardware says refuses the command.

        What has changed before it fails is shown: nobody must take the modules for what they are not.
        """
        try:
            settings = self._known()
            before = settings.copied()
        except HardwareError as error:
            raise Error(str(error)) from error
        try:
            yield settings, before
        except HardwareError as error:
            self.send_in_use(answer(settings, [setting for setting, _ in differences(before, settings.values)]))
            self._note_changes()
            raise Error(str(error)) from error

    # -- files --------------------------------------------------------------------------------------------------------

    def _load(self, settings: CrateSettings) -> dict[str, Any]:
        """Loads the file of settings; returns what else has come into use with it."""
        comment, doubts = files.load(self.owner.crate, self._file())
        try:
            settings.read()
        except HardwareError:
            with suppress(HardwareError):
                settings.read()
            raise
        self._loaded = settings.copied()
        self._kept.accept()
        for doubt in doubts:
            self.print(f"{self.settings_file}: {doubt}")
        self._list_files()
        return {"settings_comment": comment}

    def _save(self, settings: CrateSettings) -> None:
        files.save(self.owner.crate, self._file(), self.settings_comment)
        self._loaded = settings.copied()
        self._kept.accept()
        self._list_files()

    def _file(self) -> Path:
        if not self.settings_file:
            raise Error("SettingsFile is empty: write the name of a file of settings, *.json")
        return Path(self.settings_file)

    def _list_files(self) -> None:
        folder = Path(self.settings_file).parent if self.settings_file else None
        self.settings_files = "\n".join(files.listed(folder)) if folder is not None else ""

    # -- what was changed ---------------------------------------------------------------------------------------------

    def _note_changes(self) -> None:
        """Shows what is not as it was loaded, and keeps it for the next boot."""
        settings = self._settings
        if settings is None:
            return
        changes = {key: value for key, value in differences(self._loaded, settings.values) if key[0] not in BITS}
        self.settings_changed = bool(changes)
        self.settings_lost = bool(self._kept.lost)
        self.settings_changes = "; ".join(text for text in (self._kept.lost, self._in_words(changes)) if text)
        try:
            self._kept.keep(self._configured, self.settings_file, self.owner.modules, changes)
        except OSError as error:
            self.print(f"settings that were changed cannot be kept for the next boot: {self.state_folder}: {error}")

    def _in_words(self, changes: Mapping[Setting, float]) -> str:
        """What was changed, a phrase for each parameter."""
        by_name: dict[str, list[Setting]] = {}
        for setting in changes:
            by_name.setdefault(setting[0], []).append(setting)
        texts: list[str] = []
        for name, settings in by_name.items():
            (_, place), more = settings[0], len(settings) - 1
            old: Any = self._loaded[name]
            for index in place:
                old = old[index]
            where = place_name(place) + (f" and {more} more" if more else "")
            texts.append(f"{name} {old:g} -> {changes[name, place]:g} in {where}")
        return "; ".join(texts)
