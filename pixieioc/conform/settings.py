"""Rules of settings and commands: when they are used, refused, and what is told of them."""

from __future__ import annotations

import json
import re

from pixieioc.conform.target import INVALID, Target


def setpoint_is_used_when_its_put_is_answered(t: Target) -> None:
    """A setpoint is used, and its readback has it, when its put is answered."""
    name = f"{t.source}:HangTimeout"
    for value in (61, 62):
        t.put(name, value)
        t.reads(f"{name}_RBV", value)
        t.reads(name, value)
        t.reads("ConfigDirty_RBV", "No")


def impossible_setpoint_goes_back_and_says_the_range(t: Target) -> None:
    """A value that is impossible by itself is refused with the allowed range; the setpoint goes back and is posted."""
    for name, bad in (
        ("PresetReal", -1),
        (f"{t.source}:HangTimeout", -5),
        (f"{t.source}:HangTimeout", 1e-9),
        ("StopTimeout", 1e9),
    ):
        before = t.get(name)
        with t.watch(name) as watch:
            watch.clear()
            why = t.refused(name, bad)
            t.expect(re.search(r"from \S+ to \S+|must be", why), f"the reason has no range: {why!r}")
            watch.until(name, before, t.slack)
        t.reads(name, before)


def values_that_must_fit_wait_for_each_other(t: Target) -> None:
    """A setpoint whose partner does not fit yet is kept and shown, and used with its partner when they fit."""
    low, high = "M00:C00:ROI1:Low", "M00:C00:ROI1:High"
    t.needs(low, high, f"{low}_RBV")
    t.put(high, 60)
    t.put(low, 50)
    t.put(high, 60)
    t.put(high, 20)
    t.reads(high, 20)
    t.reads(f"{high}_RBV", 60)
    t.reads("ConfigDirty_RBV", "Yes")
    t.reads("Ready_RBV", "No")
    t.reads("ReadyMessage_RBV", lambda text: "ROI1" in text)
    t.answered(t.begin("Configure", 1), t.bound, failing=True)
    t.put(low, 10)
    t.reads(f"{low}_RBV", 10)
    t.reads(f"{high}_RBV", 20)
    t.reads("ConfigDirty_RBV", "No")
    t.reads("Ready_RBV", "Yes")


def run_locks_what_is_not_live(t: Target) -> None:
    """During a run, a setting that is not live is refused and stays as it is; a live one is taken."""
    t.needs("FileName")
    t.run_for(0)
    pending = t.start()
    t.reads("ConfigLocked_RBV", "Yes")
    before = t.get("FileName")
    t.refused("FileName", "conform")
    t.reads("FileName", before)
    t.put(f"{t.source}:HangTimeout", 63)
    t.reads(f"{t.source}:HangTimeout_RBV", 63)
    t.stop(pending)
    t.reads("ConfigLocked_RBV", "No")


def whole_configuration_is_all_or_nothing(t: Target) -> None:
    """ConfigJSON takes a whole configuration, all or nothing."""
    name = f"{t.source}:HangTimeout_RBV"
    before = t.get(name)
    t.refused("ConfigJSON", json.dumps({t.source: {"hang_timeout": before + 1}, "no such task": {"of course": 1}}))
    t.reads(name, before)
    t.refused("ConfigJSON", "this is no JSON, by any stretch of the imagination")
    t.put("ConfigJSON", json.dumps({t.source: {"hang_timeout": before + 1}, t.sink: {"hang_timeout": before + 2}}))
    t.put("Configure", 1)
    t.reads(name, before + 1)
    t.reads(f"{t.sink}:HangTimeout_RBV", before + 2)


def quit_is_refused_in_a_run(t: Target) -> None:
    """Quit, Reset and Configure are refused during a run."""
    t.run_for(0)
    pending = t.start()
    for name in ("Quit", "Reset", "Configure"):
        t.refused(name, 1)
        t.reads(name, "Done")
    t.reads("State_RBV", "RUNNING")
    t.stop(pending)


def start_after_quit_and_kill_makes_tasks(t: Target) -> None:
    """Quit and Kill end the tasks; the next start makes new ones. Kill is always accepted."""
    for name in ("Quit", "Kill", "Kill"):
        t.put(name, 1)
        t.reads("State_RBV", "UNKNOWN", INVALID)
        t.reads("DetectorState_RBV", "Disconnected")
    t.run_for(0.3)
    t.put("Acquire", 1, 60)
    t.reads("DetectorState_RBV", "Idle")


def reset_leaves_panicking(t: Target) -> None:
    """Reset succeeds without a run, and the pipeline is waiting then."""
    t.put("Reset", 1, 60)
    t.reads("State_RBV", "WAITING")
    t.reads("DetectorState_RBV", "Idle")


def later_of_two_starts_is_refused(t: Target) -> None:
    """Of two starts at the same time the first is a run, the later is refused."""
    t.run_for(0.5)
    run = t.get("RunId_RBV")
    first, second = t.begin("Acquire", 1), t.begin("Acquire", 1)
    t.answered(first, 0.5 + t.bound)
    t.answered(second, t.slack, failing=True)
    t.reads("RunId_RBV", run + 1)


def puts_take_effect_in_order(t: Target) -> None:
    """Puts to one setpoint take effect in the order in which they came."""
    name, values = f"{t.source}:HangTimeout", list(range(70, 90))
    with t.watch(name) as watch:
        puts = [t.begin(name, value) for value in values]
        for put in puts:
            t.answered(put, t.bound)
        watch.until(name, values[-1], t.slack)
        order = watch.values(name)[-len(values) :]
    t.expect(order == values, f"{name} has posted {order}, the puts were {values}")


def outcome_of_a_command_is_always_told(t: Target) -> None:
    """CmdStatus, CmdMessage and CmdUser tell the outcome of the last command, also of a put without callback."""
    for name, value, status in (("PresetReal", -5, "Refused"), ("PresetReal", 5, "OK"), ("Stop", 1, "OK")):
        t.client.put_and_forget(name, value)
        t.note(f"caput {name} {value}")
        t.becomes("CmdStatus_RBV", status, 1.0 + t.slack)
        t.becomes("CmdMessage_RBV", lambda text, name=name: text.startswith(name), 1.0 + t.slack)
        t.reads("CmdUser_RBV", lambda user: re.fullmatch(r"\S+@\S+", user) is not None)
