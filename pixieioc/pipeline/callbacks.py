"""The callbacks of a task: small hooks that do nothing until a subclass fills them in. The frame calls them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


class Callbacks:
    """What a task does of its own; most tasks need one or two of these."""

    @classmethod
    def do_check(cls, settings: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        """`check` callback: what is wrong with settings that do not fit together, by parameter, with what is allowed.

        A classmethod that yields pairs of parameter and sentence, nothing if all is well; look at nothing but
        `settings`. Called without a process, by `pixieioc check`, whenever a configuration is read, while settings
        wait for a run, and before `do_configure`; each of the values is within its own limits.
        """
        return ()

    @classmethod
    def do_ready(cls, settings: Mapping[str, Any], run_id: int) -> Iterable[str]:
        """`ready` callback: why the run of this number could not be started with these settings, a sentence each.

        A classmethod that yields sentences, nothing if all is well; it may look at files and folders, and changes
        nothing. Called without a process, again and again while there is no run: what it says is shown by `Ready_RBV`.
        """
        return ()

    @classmethod
    def do_sidecars(cls, settings: Mapping[str, Any], run_id: int) -> Iterable[Path]:
        """`sidecars` callback: the JSON files that the task has written beside its data in the run of this number.

        A classmethod that yields paths of files that are there; it may look at files and folders, and changes nothing.
        Called without a process, at the end of a run: each of these files gets the `record` of the run, which says why
        it has ended.
        """
        return ()

    def do_init(self) -> None:
        """`init` callback: the process has started; load what is slow to load."""

    def do_connect(self, address_pull: str, is_start: bool, is_final: bool) -> None:
        """`connect` callback: the place in the chain is known; `address_pull` is empty for the first task."""

    def do_configure(self, config: dict[str, Any]) -> None:
        """`configure` callback: the parameters in `config` have their new values; raise to refuse them."""

    def do_apply(self, changes: dict[str, Any]) -> Mapping[str, Any] | None:
        """`apply` callback, after `do_configure`: has a module or the like use new values; raise to refuse them.

        `changes` has what differs from the value in use, and commands; of a parameter per channel or module it is a
        mapping of places, such as `(0, 3)`, to values. Return what is in use then, where that is not what was asked
        for, and what else has changed with it: a mapping of the same form. The readbacks show it.
        """
        return None

    def do_start(self) -> None:
        """`start` callback: a run begins; open files, clear what belongs to one run."""

    def do_wait(self) -> None:
        """`wait` callback: nothing to do. Once a second without a run, ten times a second in one, never in a source."""

    def do_work(self, datum: Any) -> None:
        """`work` callback: handle one item; the first task of a chain gets None, again and again.

        Arrays in `datum` are read-only.
        """

    def do_report(self) -> None:
        """Called before a report leaves: set reports that are expensive to keep current."""

    def do_stop(self) -> None:
        """`stop` callback: no more data in this run; send what is held, close files; see `end_stream`."""

    def do_quit(self) -> None:
        """`quit` callback: the process is about to end."""
