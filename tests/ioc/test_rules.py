"""The rules of run control where they say more than a site can test: what it can is in `pixieioc/conform`.

`test_conform.py` tests the IOC with that.
"""

from __future__ import annotations

import json
import re
import struct
import time
from pathlib import Path

import pytest

from tests.ca_client import CaClient, PutFailed
from tests.ioc.ca.libca import NORMAL, PUT_ACKS, STSACK_STRING, Libca
from tests.running_ioc import Ioc
from tests.stopwatch import Stopwatch

ECA_PUTFAIL = 160
MINOR, MAJOR, INVALID = 1, 2, 3
EVENT_TASKS = ("ConvertToEvents", "Brake", "SortEvents", "GatherEvents", "FillSpectra")


def _run_for(ioc: Ioc, seconds: float) -> None:
    ioc.put("PresetMode", "Real time")
    ioc.put("PresetReal", seconds)


def _refused(ioc: Ioc, name: str, value: object) -> str:
    """A put that is refused at once; says why."""
    began = Stopwatch()
    with pytest.raises(PutFailed) as caught:
        ioc.put(name, value)
    assert caught.value.code == ECA_PUTFAIL
    assert began.taken < 1
    assert ioc.get("CmdStatus_RBV") == "Refused"
    return str(ioc.get("CmdMessage_RBV"))


class TestRule1PutCompletion:
    def test_it_answers_when_the_run_has_ended_with_everything_posted(self, ioc: Ioc) -> None:
        _run_for(ioc, 1.0)
        ioc.put("AutoSave", 1)
        ioc.put("FilePath", str(ioc.folder))
        began = Stopwatch()
        ioc.put("Acquire", 1)
        assert began.elapsed >= 1.0
        assert began.taken < 3
        # Everything is as it stays, without waiting.
        counts = {task: ioc.get(f"{task}:Events_RBV") for task in EVENT_TASKS}
        assert len(set(counts.values())) == 1
        assert counts["FillSpectra"] == ioc.get("M00:Counts_RBV").sum() > 1000
        assert ioc.get("ElapsedReal_RBV") == pytest.approx(1.0, abs=0.3)
        file = Path(ioc.get("FullFileName_RBV"))
        assert file.stat().st_size == ioc.get("BytesWritten_RBV") == 16 * counts["ConvertToEvents"]
        assert not list(ioc.folder.glob("*.part"))
        for task in ("DummyData", "GatherData", *EVENT_TASKS):
            assert ioc.get(f"{task}:Status") == "WAITING"
            assert (
                ioc.get(f"{task}:Balance_RBV")
                == ioc.get(f"{task}:Dropped_RBV")
                == ioc.get(f"{task}:QueueSize_RBV")
                == 0
            )
        assert ioc.get("RunEndReason_RBV") == "Preset"

    def test_without_waiting_for_the_pipeline_it_answers_when_the_source_has_ended(self, ioc: Ioc) -> None:
        _run_for(ioc, 1.0)
        ioc.put("StopTimeout", 30)
        ioc.put("Brake:Delay", 0.3)
        ioc.put("WaitForPipeline", "No")
        ioc.put("Acquire", 1)
        assert ioc.get("Acquire_RBV") == "Acquiring"
        assert ioc.get("Ready_RBV") == "No"
        assert "has been running for" in _refused(ioc, "Acquire", 1)
        ioc.until("DetectorState_RBV", "Idle", 60)
        assert ioc.get("FillSpectra:Events_RBV") == ioc.get("ConvertToEvents:Events_RBV")


class TestRule2BadEnd:
    def test_a_task_with_an_error_completes_the_put_with_failure(self, ioc: Ioc) -> None:
        done = ioc.put_later("Acquire", 1)
        ioc.until("Brake:Status", "RUNNING")
        ioc.put("Brake:Fail", 1)
        with pytest.raises(PutFailed) as caught:
            done.result(60)
        assert caught.value.code == ECA_PUTFAIL
        assert (ioc.get("DetectorState_RBV"), ioc.severity("DetectorState_RBV")) == ("Error", MAJOR)
        assert (ioc.get("RunEndReason_RBV"), ioc.severity("RunEndReason_RBV")) == ("Task error", MAJOR)
        assert (ioc.get("Brake:ERROR"), ioc.severity("Brake:ERROR")) == ("ERROR", MAJOR)
        assert (ioc.get("Brake:Status"), ioc.severity("Brake:Status")) == ("PANICKING", MAJOR)
        assert "RuntimeError: the brake has failed" in ioc.get("Brake:ErrorMessage_RBV")
        assert ioc.severity("Brake:ErrorMessage_RBV") == MAJOR
        assert ioc.get("State_RBV") == "PANICKING"
        assert ioc.get("Acquire") == "Done"
        assert ioc.get("StatusMessage_RBV").endswith("has ended: Task error: RuntimeError: the brake has failed")

    @pytest.mark.parametrize("task", ["DummyData", "GatherData", "ConvertToEvents", "FillSpectra"])
    def test_a_killed_task_is_told_within_a_second_and_the_next_start_works(self, ioc: Ioc, task: str) -> None:
        names = (f"{task}:Status", f"{task}:ERROR", "State_RBV")
        with ioc.watch(*names) as watch:
            done = ioc.put_later("Acquire", 1)
            ioc.until("FillSpectra:Events_RBV", lambda events: events > 100)
            killed, clock = time.time(), Stopwatch()
            ioc.kill_task(task)
            for name, value in zip(names, ("LOST", "ERROR", "PANICKING"), strict=True):
                assert watch.until(name, value).received - killed < 1 + clock.busy
            with pytest.raises(PutFailed):
                done.result(60)
        assert ioc.get("RunEndReason_RBV") == "Task lost"
        values = [f"{task}:{name}_RBV" for name in ("Counter", "MemUsed", "ProcessId", "Rate", "Dropped")]
        values += {"DummyData": ["M00:C00:InputCountRate_RBV"], "FillSpectra": ["M00:C00:Spectrum_RBV"]}.get(task, [])
        assert {name: ioc.severity(name) for name in (f"{task}:Status", *values)} == dict.fromkeys(
            (f"{task}:Status", *values), INVALID
        )
        assert ioc.severity("SortEvents:Counter_RBV") == 0
        assert f"{task}: its process was killed by signal 9" in ioc.get("CmdMessage_RBV")
        _run_for(ioc, 0.5)
        ioc.put("Acquire", 1)
        assert ioc.get("DetectorState_RBV") == "Idle"
        assert ioc.get(f"{task}:Status") == "WAITING"
        assert {name: ioc.severity(name) for name in values} == dict.fromkeys(values, 0)
        assert ioc.get("FillSpectra:Events_RBV") == ioc.get("ConvertToEvents:Events_RBV") > 100

    def test_a_site_can_choose_a_successful_answer(self, ioc: Ioc) -> None:
        ioc.put("FailPutOnError", "No")
        done = ioc.put_later("Acquire", 1)
        ioc.until("DetectorState_RBV", "Acquire")
        ioc.kill_task("Brake")
        done.result(60)
        assert ioc.get("RunEndReason_RBV") == "Task lost"

    def test_a_site_can_choose_a_successful_answer_to_what_is_refused_too(self, ioc: Ioc) -> None:
        """EPICS' sscan record never hears of a put that failed."""
        ioc.put("FailPutOnError", "No")
        done = ioc.put_later("Acquire", 1)
        ioc.until("DetectorState_RBV", "Acquire")
        run = ioc.get("RunId_RBV")
        for name in ("Acquire", "EraseStart"):
            ioc.put(name, 1)
            assert (ioc.get("CmdStatus_RBV"), ioc.get("CmdPv_RBV")) == ("Refused", name)
        assert (ioc.get("RunId_RBV"), done.done()) == (run, False)
        with pytest.raises(PutFailed):  # only what scans put is forgiven
            ioc.put("Quit", 1)
        ioc.put("Stop", 1)
        done.result(60)

    def test_a_start_whose_file_is_there_already_is_refused_and_uses_no_number(self, ioc: Ioc) -> None:
        ioc.put("AutoSave", 1)
        ioc.put("FilePath", str(ioc.folder / "taken"))
        (ioc.folder / "taken").mkdir(exist_ok=True)
        run = ioc.get("RunId_RBV") + 1
        there = ioc.folder / "taken" / f"pixie16_001_run{run:06d}_mod03.bin"
        there.touch()
        ioc.until("Ready_RBV", "No")
        with pytest.raises(PutFailed):
            ioc.put("Acquire", 1)
        assert ioc.get("CmdStatus_RBV") == "Refused"
        assert f"{there} exists already" in ioc.get("CmdMessage_RBV")
        there.unlink()
        ioc.until("Ready_RBV", "Yes")
        ioc.put("FileName", "n" * 300)
        ioc.until("Ready_RBV", "No")
        assert "at most 255 are possible" in ioc.get("ReadyMessage_RBV")
        with pytest.raises(PutFailed):
            ioc.put("Acquire", 1)
        assert ioc.get("RunId_RBV") == run - 1
        ioc.put("FileName", "pixie16")
        ioc.until("Ready_RBV", "Yes")
        _run_for(ioc, 0.3)
        ioc.put("Acquire", 1)
        assert ioc.get("RunId_RBV") >= run


class TestRule3AbortInTheMiddle:
    def test_an_abort_does_not_drain_and_completes_both_puts(self, ioc: Ioc) -> None:
        ioc.put("Brake:Delay", 0.2)
        done = ioc.put_later("Acquire", 1)
        ioc.until("Brake:QueueSize_RBV", lambda size: size > 4)
        began = Stopwatch()
        ioc.put("Abort", 1)
        done.result(60)
        assert began.taken < 1
        assert (ioc.get("DetectorState_RBV"), ioc.severity("DetectorState_RBV")) == ("Aborted", MINOR)
        assert ioc.get("RunEndReason_RBV") == "Abort"
        # What was discarded is counted and in alarm: each item that was sent is either handled or dropped.
        sent, dropped = ioc.get("ConvertToEvents:REPORT:MessagesOut_RBV"), ioc.get("Brake:Dropped_RBV")
        assert dropped > 0
        assert ioc.get("Brake:Counter_RBV") + dropped == sent
        assert ioc.get("Brake:REPORT:MessagesOut_RBV") == ioc.get("Brake:Counter_RBV")
        assert ioc.get("Brake:Balance_RBV") == 0
        assert ioc.severity("Brake:Dropped_RBV") == MAJOR

    def test_dying_is_bounded_and_both_puts_fail_then(self, ioc: Ioc) -> None:
        ioc.put("StopTimeout", 1.0)
        ioc.put("Brake:Delay", 4)
        with ioc.watch("State_RBV") as watch:
            started = ioc.put_later("Acquire", 1)
            ioc.until("Brake:QueueSize_RBV", lambda size: size > 2)
            began = Stopwatch()
            stopped = ioc.put_later("Stop", 1)
            dying = watch.until("State_RBV", "DYING")
            for done in (started, stopped):
                with pytest.raises(PutFailed):
                    done.result(60)
            assert began.elapsed > 0.9
            assert began.taken < 3
            # After half of the time, DYING is worth an alarm.
            assert dying.severity == 0
            assert MINOR in [post.severity for post in watch.posts if post.value == "DYING"]
        assert (ioc.get("RunEndReason_RBV"), ioc.get("CmdStatus_RBV")) == ("Timeout", "Timeout")
        assert ioc.get("DetectorState_RBV") == "Error"


class TestRule6Configuration:
    def test_values_that_must_fit_each_other_wait_for_each_other(self, ioc: Ioc) -> None:
        low, high = "M00:C01:ROI2:Low", "M00:C01:ROI2:High"
        ioc.put(low, 50)
        ioc.put(high, 60)
        ioc.put(high, 20)
        assert (ioc.get(high), ioc.get(f"{high}_RBV"), ioc.get("ConfigDirty_RBV")) == (20, 60, "Yes")
        why = "FillSpectra.roi_high of M00:C01:ROI2 = 20: is below roi_low of M00:C01:ROI2 = 50"
        assert (ioc.get("Ready_RBV"), ioc.get("ReadyMessage_RBV")) == ("No", why)
        with pytest.raises(PutFailed):
            ioc.put("Configure", 1)
        assert why in ioc.get("CmdMessage_RBV")
        ioc.put(low, 10)
        assert [ioc.get(f"{end}_RBV") for end in (low, high)] == [10, 20]
        assert (ioc.get("Ready_RBV"), ioc.get("ConfigDirty_RBV")) == ("Yes", "No")

    def test_many_setpoints_at_once_are_all_used(self, ioc: Ioc) -> None:
        names = [
            f"M00:C0{channel}:ROI{roi}:{end}" for channel in (0, 1) for roi in (1, 2, 3, 4) for end in ("Low", "High")
        ]
        done = [ioc.put_later(name, 3 * i) for i, name in enumerate(names)]
        for each in done:
            each.result(60)
        assert [ioc.get(f"{name}_RBV") for name in names] == [3 * i for i in range(len(names))]

    def test_what_a_task_refuses_goes_back_and_nothing_else(self, ioc: Ioc) -> None:
        puts = [ioc.put_later(f"Brake:{name}", to) for name, to in (("Label", "a"), ("Refuse", 13), ("Delay", 0.02))]
        puts[0].result(60)
        puts[2].result(60)
        with pytest.raises(PutFailed):
            puts[1].result(60)
        assert [ioc.get(f"Brake:{name}_RBV") for name in ("Label", "Refuse", "Delay")] == ["a", 0, 0.02]
        assert ioc.get("Brake:Refuse") == 0

    @pytest.mark.parametrize(
        ("name", "value", "says"),
        [
            ("PresetReal", -1, "must be a number from 0.1 to 10000000 (s)"),
            ("GatherEvents:ChunkSize", 0, "must be a whole number from 1 to 100000000"),
            ("GatherEvents:ChunkSize", "many", "'many' is not a number"),
            ("GatherEvents:ChunkSize", "2,5", "'2,5' is not a number"),
            ("GatherEvents:ChunkSize", 0.9, "must be a whole number from 1 to 100000000"),
            ("Brake:Mode", "loud", "'loud' is none of: 0 soft, 1 hard"),
            ("Brake:Mode", 2, "2 is none of: 0 soft, 1 hard"),
            ("FileTemplate", "%f", "file template '%f': only %s and %d"),
            ("FileName", "a/b", "must not contain a slash"),
        ],
    )
    def test_a_bad_setpoint_goes_back_and_says_the_range(self, ioc: Ioc, name: str, value: object, says: str) -> None:
        before = ioc.get(name)
        with ioc.watch(name) as watch:
            watch.clear()
            assert says in _refused(ioc, name, value)
            assert watch.until(name, before).severity == 0
        assert ioc.get(name) == before

    def test_while_a_run_is_on_only_live_parameters_change(self, ioc: Ioc) -> None:
        done = ioc.put_later("Acquire", 1)
        ioc.until("DetectorState_RBV", "Acquire")
        assert ioc.get("ConfigLocked_RBV") == "Yes"
        assert "SortEvents.window cannot be changed now: run" in _refused(ioc, "SortEvents:Window", 5)
        assert ioc.get("SortEvents:Window") == 100
        ioc.put("Brake:Delay", 0.01)
        assert ioc.get("Brake:Delay_RBV") == 0.01
        ioc.put("Stop", 1)
        done.result(60)
        assert ioc.get("ConfigLocked_RBV") == "No"

    def test_a_whole_configuration_all_or_nothing(self, ioc: Ioc) -> None:
        before = ioc.get("ConfigJSON")
        bad = {"Brake": {"label": "x"}, "DummyData": {"channels": 99}, "nonsense": 1}
        why = _refused(ioc, "ConfigJSON", json.dumps(bad))
        assert "DummyData.channels = 99: must be a whole number from 1 to 32" in why
        assert "nonsense: no task has this name" in why
        assert ioc.get("ConfigJSON") == before
        assert "not a configuration" in _refused(
            ioc, "ConfigJSON", "this is no JSON, by any stretch of the imagination"
        )
        ioc.put(
            "ConfigJSON",
            json.dumps({"Brake": {"label": "all good, and longer than forty characters"}, "DummyData": {"seed": 3}}),
        )
        assert ioc.get("ConfigDirty_RBV") == "No"
        used = json.loads(ioc.get("ConfigJSON_RBV"))
        assert used["Brake"]["label"] == ioc.get("Brake:Label_RBV") == "all good, and longer than forty characters"
        assert (used["DummyData"]["seed"], ioc.get("DummyData:Seed_RBV")) == (3, 3)


class TestRule7QuitKillReset:
    def test_after_quit_a_start_makes_new_tasks(self, ioc: Ioc) -> None:
        pids = [ioc.pid_of("DummyData"), ioc.pid_of("FillSpectra")]
        ioc.put("Quit", 1)
        assert (ioc.get("State_RBV"), ioc.get("DetectorState_RBV")) == ("UNKNOWN", "Disconnected")
        assert ioc.severity("State_RBV") == INVALID
        for pid in pids:
            assert not Path(f"/proc/{pid}").exists()
        assert ioc.get("ErrorLatched_RBV") == "OK"
        _run_for(ioc, 0.3)
        ioc.put("Acquire", 1)
        assert ioc.get("DetectorState_RBV") == "Idle"
        assert ioc.get("FillSpectra:Events_RBV") > 0

    def test_kill_is_always_accepted(self, ioc: Ioc) -> None:
        ioc.put("Brake:Delay", 4)
        done = ioc.put_later("Acquire", 1)
        ioc.until("Brake:QueueSize_RBV", lambda size: size > 2)
        began = Stopwatch()
        ioc.put("Kill", 1)
        assert began.taken < 2
        with pytest.raises(PutFailed):
            done.result(60)
        assert (ioc.get("DetectorState_RBV"), ioc.get("RunEndReason_RBV")) == ("Disconnected", "Abort")
        ioc.put("Kill", 1)
        ioc.put("Brake:Delay", 0)
        _run_for(ioc, 0.3)
        ioc.put("Acquire", 1)
        assert ioc.get("DetectorState_RBV") == "Idle"

    def test_reset_leaves_panicking(self, ioc: Ioc) -> None:
        ioc.kill_task("Brake")
        ioc.until("State_RBV", "PANICKING")
        assert ioc.get("DetectorState_RBV") == "Error"
        ioc.put("Reset", 1)
        assert (ioc.get("State_RBV"), ioc.get("DetectorState_RBV")) == ("WAITING", "Idle")
        assert ioc.get("Brake:Status") == "WAITING"
        assert ioc.get("Brake:ERROR") == "ERROR"  # that stays until somebody acknowledges it


class TestRule8TwoWriters:
    def test_commands_do_not_overtake_each_other(self, ioc: Ioc) -> None:
        _run_for(ioc, 0.2)
        for _ in range(3):
            puts = [ioc.put_later(name, 1) for name in ("Configure", "Reset", "Erase", "Acquire")]
            for put in puts:
                put.result(60)
            assert ioc.get("DetectorState_RBV") == "Idle"

    def test_each_of_many_starts_is_a_run_although_it_is_stopped_at_once(self, ioc: Ioc) -> None:
        before = ioc.get("RunId_RBV")
        for _ in range(20):
            ioc.put_later("Acquire", 1)
            ioc.put("Stop", 1)
        assert ioc.get("RunId_RBV") == before + 20


class TestRule10OneCycleOneStamp:
    def test_all_values_of_one_report_have_the_stamp_of_the_report(self, ioc: Ioc) -> None:
        names = [f"FillSpectra:{name}" for name in ("Events_RBV", "Counter_RBV", "REPORT:BytesIn_RBV")]
        done = ioc.put_later("Acquire", 1)
        ioc.until("FillSpectra:Events_RBV", lambda events: events > 100)
        with ioc.watch(*names, "M00:C00:Counts_RBV", "M00:C00:Spectrum_RBV") as watch:
            watch.clear()
            watch.until(names[0], lambda events: events > 3000)  # some cycles later
        ioc.put("Stop", 1)
        done.result(60)
        cycles: dict[float, set[str]] = {}
        for post in watch.posts:
            cycles.setdefault(post.stamp, set()).add(post.name)
        complete = [stamp for stamp, posted in cycles.items() if len(posted) == 5]
        assert complete
        assert len(cycles) <= len(complete) + 2  # but for where the watch began and ended
        for post in watch.posts:
            assert post.stamp <= post.received


class TestRule11ErrorsLatch:
    def test_an_error_stays_through_a_good_run_until_it_is_acknowledged(self, ioc: Ioc) -> None:
        counts = ioc.get("ErrorCount_RBV"), ioc.get("Brake:ErrorCount_RBV")
        ioc.kill_task("Brake")
        ioc.until("Brake:ERROR", "ERROR")
        _run_for(ioc, 0.3)
        ioc.put("Acquire", 1)
        assert (ioc.get("Brake:ERROR"), ioc.severity("Brake:ERROR")) == ("ERROR", MAJOR)
        assert (ioc.get("ErrorLatched_RBV"), ioc.get("ErrorFirst_RBV")) == ("ERROR", "Brake")
        assert (ioc.get("ErrorCount_RBV"), ioc.get("Brake:ErrorCount_RBV")) == (counts[0] + 1, counts[1] + 1)
        assert ioc.get("LastErrorTask_RBV") == "Brake"
        assert ioc.get("SumSevr_RBV") == "MAJOR"
        ioc.put("ErrorAck", 1)
        assert (ioc.get("Brake:ERROR"), ioc.severity("Brake:ERROR")) == ("OK", 0)
        assert (ioc.get("ErrorLatched_RBV"), ioc.get("ErrorFirst_RBV")) == ("OK", "")
        assert ioc.severity("Brake:ErrorMessage_RBV") == 0
        assert ioc.get("SumSevr_RBV") == "MINOR"  # the source is a simulation

    def test_the_acknowledge_of_an_alarm_server_is_one_of_that_task(self, ioc: Ioc) -> None:
        for task in ("Brake", "SortEvents"):
            ioc.kill_task(task)
            ioc.until(f"{task}:ERROR", "ERROR")
        ioc.put("Brake:ErrorAlarm", 6)  # what it writes is a number: MAJOR
        assert ioc.get("Brake:ErrorAlarm") == "MAJOR"
        assert ioc.get("Brake:ERROR") == "ERROR"
        ioc.put("Brake:ErrorAlarm", 2)
        assert ioc.get("Brake:ErrorAlarm") == "MAJOR_ACK"
        assert (ioc.get("Brake:ERROR"), ioc.severity("Brake:ERROR")) == ("OK", 0)
        assert ioc.get("Brake:ErrorMessage_RBV") == ""
        assert (ioc.get("SortEvents:ERROR"), ioc.get("ErrorLatched_RBV")) == ("ERROR", "ERROR")
        ioc.put("SortEvents:ErrorAlarm", "MAJOR_ACK")
        assert (ioc.get("SortEvents:ERROR"), ioc.get("ErrorLatched_RBV")) == ("OK", "OK")

    def test_the_acknowledge_of_an_alarm_handler_is_one_of_that_task(self, ioc: Ioc) -> None:
        with Libca() as client:
            brake, sort = (client.channel(f"{ioc.prefix}{task}:ERROR") for task in ("Brake", "SortEvents"))
            for task in ("Brake", "SortEvents"):
                ioc.kill_task(task)
                ioc.until(f"{task}:ERROR", "ERROR")
                assert ioc.get(f"{task}:ERROR.ACKS") == "MAJOR"
            assert brake.put(PUT_ACKS, MINOR) == NORMAL  # what it has seen is not what there is
            assert ioc.get("Brake:ERROR") == "ERROR"
            assert brake.put(PUT_ACKS, MAJOR) == NORMAL
            assert (ioc.get("Brake:ERROR"), ioc.severity("Brake:ERROR")) == ("OK", 0)
            assert (ioc.get("Brake:ErrorMessage_RBV"), ioc.get("Brake:ERROR.ACKS")) == ("", "NO_ALARM")
            assert (ioc.get("SortEvents:ERROR"), ioc.get("ErrorLatched_RBV")) == ("ERROR", "ERROR")
            ioc.put("ErrorAck", 1)  # is the alarm handler's, too
            assert struct.unpack("=4H", sort.get(STSACK_STRING, 1)[:8]) == (0, 0, 1, 0)

    def test_the_first_cause_of_a_cascade_is_named(self, ioc: Ioc) -> None:
        done = ioc.put_later("Acquire", 1)
        ioc.until("DetectorState_RBV", "Acquire")
        for task in ("SortEvents", "DummyData"):
            ioc.kill_task(task)
            ioc.until(f"{task}:ERROR", "ERROR")
        with pytest.raises(PutFailed):
            done.result(60)
        assert ioc.get("ErrorFirst_RBV") == "SortEvents"


class TestRule12TruthAboutACommand:
    def test_the_outcome_of_the_last_command_is_always_told(self, ioc: Ioc) -> None:
        who = re.compile(r"\S+@\S+")
        with ioc.watch("CmdStatus_RBV", "CmdMessage_RBV") as watch:
            ioc.put_and_forget("PresetReal", -5)
            watch.until("CmdMessage_RBV", lambda text: text.startswith("PresetReal: run.preset_real = -5"))
            assert ioc.get("CmdStatus_RBV") == "Refused"
            ioc.put_and_forget("PresetReal", 5)
            watch.until("CmdMessage_RBV", "PresetReal = 5.0")
            assert ioc.get("CmdStatus_RBV") == "OK"
            ioc.put_and_forget("Stop", 1)
            watch.until("CmdMessage_RBV", "Stop: there is no run")
            _run_for(ioc, 0.3)
            ioc.put("Acquire", 1)
        assert ioc.get("CmdMessage_RBV") == f"run {ioc.get('RunId_RBV')} has ended: Preset"
        assert who.fullmatch(ioc.get("CmdUser_RBV"))


class TestRule13EveryRunIsIdentifiable:
    def test_the_number_counts_up_and_stands_in_the_files(self, ioc: Ioc) -> None:
        _run_for(ioc, 0.3)
        ioc.put("AutoSave", 1)
        ioc.put("FilePath", str(ioc.folder))
        number = ioc.get("FileNumber")
        for _ in range(2):
            before = ioc.get("RunId_RBV")
            ioc.put("Acquire", 1)
            run = ioc.get("RunId_RBV")
            assert run == before + 1
            file = Path(ioc.get("FullFileName_RBV"))
            assert f"_run{run:06d}_" in file.name
            about = json.loads(Path(f"{file}.json").read_text())
            assert about["run_id"] == run
        assert ioc.get("FileNumber") == ioc.get("FileNumber_RBV") == number + 2


def test_the_client_of_this_test_is_libca() -> None:
    import epicscorelibs.ca.cadef as cadef

    assert "libca" in str(cadef.libca)
    assert CaClient is not None
