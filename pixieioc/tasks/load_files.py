"""LoadFiles: raw list-mode files as the source of a run."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixieioc.pipeline import NOTHING, Error, Parameter, Report, Task
from pixieioc.tasks.items import WORDS, Beginning, Ending, RunBegins, RunEnds, WordBlock
from pixieioc.tasks.raw_input import size_of
from pixieioc.tasks.raw_sources import RunFiles, check_pattern, find, runs_of
from pixieioc.tasks.raw_stream import RawStream
from pixieioc.tasks.recorded_counts import recorded_ending

#: How long a pipe is waited for before it is asked again, and how long what came from one waits for more, in seconds.
_PAUSE, _PATIENCE = 0.01, 0.25
#: Bytes of file names: there may be any number of them, offline; over Channel Access a list has 4096.
_LONGEST_LIST = 64 * 1024**2


class LoadFiles(Task):
    """Reads the files of one or several modules, block by block, and ends the run after the last.

    The files of a module are one stream: a word or a record may begin in one file and end in the next. Where the JSON
    files beside them (or their names) tell that they are of different runs, these are read one after the other, and
    each has streams of its own. Files that end with .gz, .bz2, .xz or .zst are decompressed; a FIFO is read, too. How
    fast recorded data are read says nothing of the time in which they were taken, so this source reports no times.
    """

    takes, gives = NOTHING, WORDS

    files = Parameter(
        ["*.bin"],
        path=True,
        longest=_LONGEST_LIST,
        must_exist=True,
        doc="Raw files, or patterns with * and ?, in the order of this list; what a pattern matches in that of names, "
        "numbers by their value.",
    )
    module_pattern = Parameter(
        r"mod(\d+)",
        rule=check_pattern,
        doc="Regular expression that finds the module number in a file's name; files without are of module 0.",
    )
    run_pattern = Parameter(
        r"run_?(\d+)",
        rule=check_pattern,
        doc="Regular expression that finds the number of the run in the name of a file without a JSON file beside it.",
    )
    # A block costs each task 0.3 ms, however small it is; but its events must fit three times into the memory that two
    # tasks share: one block is read, one waits and one is written.
    block_size = Parameter(
        6 * 1024**2, unit="B", low=1, high=256 * 1024**2, doc="Bytes read at a time, from all modules together."
    )
    bytes_read = Report(0, unit="B", doc="Bytes of raw data read in this run, after decompression.")
    progress = Report(0.0, unit="%", precision=1, doc="Share of all files that has been read; not known for pipes.")
    current_file = Report("", doc="The file that is being read.")
    runs_read = Report(0, doc="Recorded runs of which the reading has begun.")
    bytes_left_over = Report(
        0,
        unit="B",
        alarm_hihi=1,
        doc="Bytes at the end of a module's files that are not a whole word.",
        guidance="A file has been cut short: its last record is incomplete.",
    )
    files_damaged = Report(
        0,
        alarm_hihi=1,
        doc="Files that could not be read to their end, or that are longer or shorter than their sidecar says; what "
        "there is was read.",
        guidance="See Damage for the files and the places; take them from a backup if there is one.",
    )
    damage = Report("", doc="Which files are damaged, and where.")

    def do_start(self) -> None:
        paths = find(self.files)
        if not paths:
            raise Error("no files: the parameter files is an empty list")
        sizes = [size_of(path) for path in paths]
        self._total = 0 if None in sizes else sum(size or 0 for size in sizes)
        self._runs = deque(runs_of(paths, self.module_pattern, self.run_pattern))
        self._streams: dict[int, RawStream] = {}
        self._ending: Ending | None = None  # what the files say of the end of the run that is being read
        self._bytes_before = self._position_before = 0  # of runs that have been read
        self.bytes_read = self.bytes_left_over = self.files_damaged = self.runs_read = 0
        self.progress, self.current_file, self.damage = 0.0, "", ""

    def do_work(self, datum: Any) -> None:
        if not self._streams:
            self._begin(self._runs.popleft())
        block = self._side_by_side() if self._fractions else self._as_it_comes()
        if any(len(words) for words in block.values()):
            self.send(block)
        self._report_progress()
        if all(stream.ended for stream in self._streams.values()) and not self._collected:
            self._end()
            if not self._runs:
                self.progress = 100.0
                self.finish()

    def do_stop(self) -> None:
        for stream in self._streams.values():
            stream.close()
        self._streams = {}

    def _begin(self, files: RunFiles) -> None:
        self._streams = {module: RawStream(paths) for module, paths in files.modules.items()}
        self._size = sum(stream.size or 0 for stream in self._streams.values())
        self._fractions = all(stream.size is not None for stream in self._streams.values())
        self._fraction = 0.0
        self._collected: dict[int, list[NDArray[np.uint32]]] = {}
        self._since = 0.0
        self.runs_read += 1
        self._ending = recorded_ending(files)
        begins = Beginning(
            modules=list(self._streams),
            run_id=files.run.run_id,
            start_time=files.run.start_time,
            end_time=files.run.end_time,
            recorded=True,
            counts_follow=self._ending is not None,
        )
        self.send(RunBegins(begins=begins))

    def _side_by_side(self) -> WordBlock:
        """The same fraction of each module's data, so that modules that ran together stay together."""
        block: WordBlock = {}
        streams = self._streams.values()
        if not self._fraction or all(stream.ended or stream.position >= self._goal(stream) for stream in streams):
            self._fraction = min(1.0, self._fraction + self.block_size / self._size) if self._size else 1.0
        for module, stream in self._streams.items():
            if stream.ended:
                block[module] = np.empty(0, np.uint32)
            else:
                most = max(1, self.block_size * (stream.size or 0) // max(1, self._size))
                words = stream.read(self._goal(stream), most, self.allocate)
                if len(words):  # otherwise it has more, which comes later
                    block[module] = words
        return block

    def _goal(self, stream: RawStream) -> int:
        """Where on the disk the present block ends; the first one has at least a word of each module."""
        size = stream.size or 0
        return max(round(self._fraction * size), min(4, size))

    def _as_it_comes(self) -> WordBlock:
        """As much of each module, when all have some: what a pipe does not have yet is waited for."""
        share = max(4, self.block_size // len(self._streams))
        waiting = False
        for module, stream in self._streams.items():
            room = share - sum(words.nbytes for words in self._collected.get(module, ()))
            if stream.ended or room <= 0:
                continue
            words = stream.read(2**62 if stream.size is None else stream.size, room, self.allocate)
            if len(words):
                self._since = self._since or time.monotonic()
                self._collected.setdefault(module, []).append(words)
            waiting |= not stream.ended and words.nbytes < room
        some = all(stream.ended or module in self._collected for module, stream in self._streams.items())
        if waiting and not (some and self._since and time.monotonic() - self._since > _PATIENCE):
            self.idle(_PAUSE)
            return {}
        block: WordBlock = {module: np.concatenate(parts) for module, parts in self._collected.items()}
        block |= {
            module: np.empty(0, np.uint32) for module, s in self._streams.items() if s.ended and module not in block
        }
        self._collected, self._since = {}, 0.0
        return block

    def _end(self) -> None:
        """A run has been read."""
        self.bytes_left_over += sum(len(stream.rest) for stream in self._streams.values())
        self._bytes_before += sum(stream.bytes for stream in self._streams.values())
        self._position_before += sum(stream.position for stream in self._streams.values())
        self._streams = {}
        if self._ending is not None:
            self.send(RunEnds(ends=self._ending))

    def _report_progress(self) -> None:
        streams = self._streams.values()
        self.bytes_read = self._bytes_before + sum(stream.bytes for stream in streams)
        if self._total:
            position = self._position_before + sum(stream.position for stream in streams)
            self.progress = 100.0 * position / self._total
        self.current_file = next((stream.current_file for stream in streams if stream.current_file), "")
        for stream in streams:
            for text in stream.damage:
                print(text)
                self.files_damaged += 1
                self.damage = f"{self.damage}; {text}" if self.damage else text
            stream.damage.clear()
