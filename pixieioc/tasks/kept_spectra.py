"""Spectra that are there again after a restart of the IOC: a file in the state folder, written in a thread."""

from __future__ import annotations

import io
import threading
import time
import zipfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pixieioc.pipeline import Parameter, Report
from pixieioc.tasks.disk import replace_file, sync

Spectra = NDArray[np.int64]
#: How often spectra that grow are written, in seconds.
_PERIOD = 10.0


class SpectraFile:
    """A file with spectra and the number of the run that they are of."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem = ""  #: why they could not be written
        self._next: tuple[int, Spectra] | None = None
        self._news = threading.Condition()
        self._writing, self._ended = False, False
        self._thread: threading.Thread | None = None

    def read(self, shape: tuple[int, ...]) -> tuple[int, Spectra] | None:
        """Run number and spectra; None if there is no file. ValueError says why there is none of this shape."""
        try:
            with self.path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                run, spectra = int(file["run_id"]), file["spectra"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, zipfile.BadZipFile, EOFError) as error:
            raise ValueError(f"{self.path} cannot be read: {error}") from None
        if spectra.shape != shape or spectra.dtype != np.int64:
            raise ValueError(f"{self.path} has spectra of shape {spectra.shape}, not {shape}")
        return run, spectra

    def write(self, run: int, spectra: Spectra) -> None:
        """Has them written; what has not been begun to be written is replaced by them."""
        with self._news:
            self._next = (run, spectra)
            self._news.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="spectra", daemon=True)
            self._thread.start()

    def end(self, seconds: float) -> None:
        """Waits until all is written, but no longer than that."""
        with self._news:
            self._news.wait_for(lambda: self._next is None and not self._writing, seconds)
            self._ended = True
            self._news.notify_all()

    def _serve(self) -> None:
        while True:
            with self._news:
                self._writing = False
                self._news.notify_all()
                self._news.wait_for(lambda: self._next is not None or self._ended)
                if self._next is None:
                    return
                (run, spectra), self._next, self._writing = self._next, None, True
            try:
                self._put(run, spectra)
                self.problem = ""
            except OSError as error:
                self.problem = f"the spectra cannot be kept: {self.path}: {error.strerror or error}"

    def _put(self, run: int, spectra: Spectra) -> None:
        content = io.BytesIO()
        np.savez(content, run_id=np.int64(run), spectra=spectra)
        replace_file(self.path, content.getvalue())
        sync(self.path.parent)


class KeptSpectra(ABC):
    """What a task with spectra declares and does to keep them: those of `spectra_now`, which it has."""

    keep_spectra = Parameter(False, live=True, doc="Whether the spectra are there again after a restart of the IOC.")
    spectra_run = Report(
        0, small=True, doc="Number of the run that the spectra are of, the last one if they are of several; 0: of none."
    )

    name: str
    state_folder: Path | None
    _file: SpectraFile | None = None
    _kept_at = 0.0
    _kept: tuple[int, int] | None = None  # the run and the events of what was written last
    _problem = ""

    if TYPE_CHECKING:

        def print(self, string: str) -> None: ...

    @abstractmethod
    def spectra_now(self) -> Spectra:
        """All spectra, by module, channel and bin, as they may be changed."""

    def begin_keeping(self) -> None:
        """Shows what was kept, if it is of this shape."""
        if self.state_folder is None:
            return
        self._file = SpectraFile(self.state_folder / f"spectra-{self.name}.npz")
        if not self.keep_spectra:
            return
        try:
            found = self._file.read(self.spectra_now().shape)
        except ValueError as error:
            self.print(f"the spectra from before the restart are lost: {error}")
            return
        if found is not None:
            self.spectra_run, spectra = found
            self.spectra_now()[:] = spectra
            self._kept = (self.spectra_run, int(spectra.sum()))

    def save_spectra(self, *, now: bool) -> None:
        """Has the spectra written if they are to be kept and have changed: now, or when it is time."""
        if self._file is None or not self.keep_spectra or (not now and time.monotonic() - self._kept_at < _PERIOD):
            return
        if self._file.problem != self._problem:
            self._problem = self._file.problem
            self.print(self._problem or "the spectra are being kept again")
        spectra: Any = self.spectra_now()
        self._kept_at = time.monotonic()
        if (kept := (self.spectra_run, int(spectra.sum()))) != self._kept:
            self._kept = kept
            self._file.write(self.spectra_run, spectra.copy())

    def end_keeping(self, seconds: float) -> None:
        """Waits for what is being written."""
        if self._file is not None:
            self._file.end(seconds)
