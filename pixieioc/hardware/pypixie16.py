"""A crate through pypixie16: its functions where they are right, elsewhere the library that it has loaded.

Importing it is slow and brings Qt: only in the process that has the crate.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib import import_module, metadata
from pathlib import Path
from typing import Any
from unittest.mock import NonCallableMock

from pixieioc.hardware.crate import RUN_TIME, Firmware, Words
from pixieioc.hardware.error import HardwareError
from pixieioc.hardware.sdk import SdkCrate
from pixieioc.hardware.sdk_log import SdkLog

#: How pypixie16 logs what the library has answered, beside the errors that it finds itself.
_ANSWER = re.compile(r"failed with Error Code (-\d+) : (.*?)\.?$")
#: Revision, ADC rate and bits of modules.
_KIND = re.compile(r"[A-Z]-\d+-\d+")
#: Keys of the four files in a section [Firmware.<name>] of its configuration.
_SECTION = "Firmware."
_FIRMWARE_KEYS = ("ComFPGAConfigFile", "SPFPGAConfigFile", "DSPCodeFile", "DSPVarFile")


class Pypixie16Crate(SdkCrate):
    """What pypixie16's configuration file names is used, or another library: `library`."""

    def __init__(self, library: Path | None = None) -> None:
        self._log = SdkLog()
        self._control, self._functions = _load("pixie16.control"), _load("pixie16.C_library_sdk")
        self._config = self._control.config
        self._errors = _Errors()
        if library is not None:
            if not self._config.config.has_section("Libraries"):
                self._config.config.add_section("Libraries")
            self._config.config.set("Libraries", "sdk", str(library))
        self._modules, self._offline, self._registered = (), False, False
        self._api = None
        self._library = library or Path(self._config.config.get("Libraries", "sdk", fallback=""))

    @property
    def version(self) -> str:
        package = f"pypixie16 {metadata.version('pypixie16')}"
        return package if self._api is None else f"{super().version}, {package}"

    def configured_firmware(self, section: str = "default") -> tuple[tuple[Firmware, ...], Path | None]:
        """The firmware, and the file of settings if there is one, of a section [Firmware.<section>].

        Sections that are named after a kind of modules, such as [Firmware.F-250-16], come first: for those modules.
        """
        kinds = [name.removeprefix(_SECTION) for name in self._config.config.sections() if name.startswith(_SECTION)]
        of_kinds = [self._section(kind, kind)[0] for kind in kinds if _KIND.fullmatch(kind) and kind != section]
        firmware, settings = self._section(section, section if _KIND.fullmatch(section) else "")
        return (*of_kinds, firmware), settings

    def _section(self, section: str, kind: str) -> tuple[Firmware, Path | None]:
        name, known = f"{_SECTION}{section}", self._config.config
        if not known.has_section(name):
            raise HardwareError("configuration", 0, f"no section [{name}] in {self._config.inifile}")
        texts = {key: known.get(name, key, fallback="").strip("\"'") for key in (*_FIRMWARE_KEYS, "SettingFile")}
        for key in _FIRMWARE_KEYS:
            if not texts[key]:
                raise HardwareError("configuration", 0, f"no {key} in [{name}] of {self._config.inifile}")
        settings = Path(texts["SettingFile"]) if texts["SettingFile"] else None
        system, fippi, code, variables = (Path(texts[key]) for key in _FIRMWARE_KEYS)
        return Firmware(system, fippi, code, variables, kind), settings

    def open(self, slots: Sequence[int], *, offline: bool = False) -> None:
        self._do("Pixie16InitSystem", self._control.init, list(slots), offline)
        # A library that cannot be loaded is replaced without a word by something that does nothing.
        if isinstance(self._functions.SDK, NonCallableMock):
            library = self._config.config_get_parameters("Libraries", "sdk", verbose=False)
            where = f"[Libraries] sdk in {self._config.inifile}"
            raise HardwareError("load", 0, f"XIA's library cannot be loaded from {library} ({where})")
        self._api = self._functions.SDK
        self._set_up(self._api)
        self._find(slots, offline)

    def read_channel(self, module: int, channel: int, name: str) -> float:
        if name not in self._functions.valid_channel_parameter_names:
            return super().read_channel(module, channel, name)
        read = self._functions.read_single_channel_parameter
        return float(
            self._do(
                "Pixie16ReadSglChanPar", read, name, module, channel, False, module=module, channel=channel, about=name
            )
        )

    def write_channel(self, module: int, channel: int, name: str, value: float) -> float:
        if name not in self._functions.valid_channel_parameter_names:
            return super().write_channel(module, channel, name, value)
        write = self._functions.write_single_channel_parameter
        self._do(
            "Pixie16WriteSglChanPar", write, name, value, module, channel, module=module, channel=channel, about=name
        )
        return self.read_channel(module, channel, name)

    def read_module(self, module: int, name: str) -> float:
        if name == RUN_TIME or name not in self._functions.valid_module_parameter_names:
            return super().read_module(module, name)  # a time is read wrongly where a long has 64 bits
        read = self._functions.read_single_module_parameter
        return float(self._do("Pixie16ReadSglModPar", read, name, module, module=module, about=name))

    def write_module(self, module: int, name: str, value: float) -> float:
        if name == RUN_TIME or name not in self._functions.valid_module_parameter_names:
            return super().write_module(module, name, value)
        write = self._functions.write_single_module_parameter
        if name == "MODULE_CSRB":  # a list of bits, the highest first; a number it does not take
            bits = [bool(int(value) >> bit & 1) for bit in range(31, -1, -1)]
            self._do("Pixie16WriteSglModPar", write, name, bits, module, module=module, about=name)
        else:
            self._do("Pixie16WriteSglModPar", write, name, int(value), module, module=module, about=name)
        return self.read_module(module, name)

    def load_settings(self, path: Path) -> None:
        load = self._functions.load_dsp_parameters_from_file
        self._do("Pixie16LoadDSPParametersFromFile", load, path, about=str(path))

    def save_settings(self, path: Path) -> None:
        save = self._functions.save_dsp_parameters_as_json
        self._do("Pixie16SaveDSPParametersToFile", save, path, about=str(path))

    def _start(self, module: int) -> None:
        self._do("Pixie16StartListModeRun", self._functions.start_list_mode_run, module, module=module)

    def level(self, module: int) -> int:
        check = self._functions.check_external_FIFO_status
        return self._do("Pixie16CheckExternalFIFOStatus", check, module, module=module)

    def read(self, module: int) -> Words:
        read = self._functions.read_data_from_external_FIFO
        return self._do("Pixie16ReadDataFromExternalFIFO", read, module, self.level(module), module=module)

    def _end(self, module: int) -> None:
        self._do("Pixie16EndRun", self._functions.end_run, module, module=module)

    def adjust_offsets(self, module: int) -> None:
        self._do("Pixie16AdjustOffsets", self._functions.adjust_offsets, module, module=module)

    def close(self) -> None:
        if self._modules:
            count, self._modules = len(self._modules), ()
            self._do("Pixie16ExitSystem", self._functions.exit_system, count)

    def _do(
        self,
        call: str,
        function: Any,
        *arguments: Any,
        module: int | None = None,
        channel: int | None = None,
        about: str = "",
    ) -> Any:
        """A function of pypixie16, which logs errors instead of raising them, and prints: HardwareError if it did."""
        self._errors.texts.clear()
        with redirect_stdout(io.StringIO()):
            result = function(*arguments)
        for text in self._errors.texts:
            answered = _ANSWER.search(text)
            if answered:
                raise self._error(call, int(answered[1]), module=module, channel=channel, about=about)
            raise HardwareError(call, 0, text, module=module, channel=channel, log=self._log.new_lines("ERROR"))
        return result


class _Errors(logging.Handler):
    """Collects what pypixie16 logs as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []
        logger = logging.getLogger("pixie16")
        for other in [each for each in logger.handlers if isinstance(each, _Errors)]:
            logger.removeHandler(other)
        logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def _load(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        text = f"the package pypixie16 is needed: pip install 'pixieioc[hardware]' ({error})"
        raise HardwareError("load", 0, text) from error
    except ImportError as error:
        text = f"pypixie16 cannot be imported: {error} (it needs the system's libEGL and libGL)"
        raise HardwareError("load", 0, text) from error
