"""What an operator sees at a glance, asked from a running IOC by a Channel Access client."""

from __future__ import annotations

import pytest

from tests.ca_client import PutFailed
from tests.running_ioc import Ioc


def test_a_run_is_in_the_log_with_who_started_it_and_how_it_ended(ioc: Ioc) -> None:
    run = ioc.get("RunId_RBV") + 1
    assert ioc.get("StartMessage_RBV").startswith(f"Start will start run {run}")
    ioc.put_and_forget("Acquire", 1)
    ioc.until("StartMessage_RBV", "A run is in progress: Start would be refused.")
    assert ioc.get("Ready_RBV") == "No"
    assert ioc.severity("Ready_RBV") == 0
    ioc.put("Stop", 1)
    ended, started, *_ = ioc.get("RunLog_RBV").split("\n")
    assert f"run {run} started by " in started
    assert f"run {run} has ended: Operator stop, after " in ended
    ioc.until("StartMessage_RBV", lambda text: text.startswith(f"Start will start run {run + 1}"))


def test_a_refused_value_is_named(ioc: Ioc) -> None:
    with pytest.raises(PutFailed):
        ioc.put("PresetReal", -5)
    assert (ioc.get("CmdPv_RBV"), ioc.get("CmdStatus_RBV")) == ("PresetReal", "Refused")
    ioc.put("PresetReal", 60)
    assert (ioc.get("CmdPv_RBV"), ioc.get("CmdStatus_RBV")) == ("PresetReal", "OK")


def test_a_command_is_named(ioc: Ioc) -> None:
    done = ioc.put_later("Acquire", 1)
    ioc.until("CmdMessage_RBV", lambda text: text.endswith("has started"))
    assert ioc.get("CmdPv_RBV") == "Acquire"
    with pytest.raises(PutFailed):
        ioc.put("EraseStart", 1)
    assert (ioc.get("CmdPv_RBV"), ioc.get("CmdStatus_RBV")) == ("EraseStart", "Refused")
    ioc.put("Stop", 1)
    done.result(60)
    assert (ioc.get("CmdPv_RBV"), ioc.get("CmdStatus_RBV")) == ("Stop", "OK")
    for name, value in (("Acquire", 0), ("Configure", 1), ("ErrorAck", 1), ("Reset", 1)):
        ioc.put(name, value)
        assert ioc.get("CmdPv_RBV") == name


def test_the_time_left_is_that_of_a_run_that_is_being_ended_and_of_no_other(ioc: Ioc) -> None:
    ioc.put("Brake:Delay", 0.3)
    done = ioc.put_later("Acquire", 1)
    ioc.until("Brake:REPORT:Blocks_RBV", lambda blocks: blocks >= 1)
    assert ioc.get("StopTimeLeft_RBV") == 0
    with ioc.watch("StopTimeLeft_RBV", "Acquire_RBV") as watch:
        watch.clear()
        ioc.put("Stop", 1)
        done.result(60)
        watch.until("Acquire_RBV", "Done")
        left = watch.values("StopTimeLeft_RBV")
    assert 0 < max(left) <= 3
    assert watch.sequence()[-2:] == [("StopTimeLeft_RBV", 0.0), ("Acquire_RBV", "Done")]


def test_settings_that_do_not_fit_each_other_keep_it_from_being_ready(ioc: Ioc) -> None:
    run = ioc.get("RunId_RBV")
    low, high = "M00:C00:ROI1:Low", "M00:C00:ROI1:High"
    ioc.put(high, 20)
    ioc.put(low, 30)
    assert ioc.get("ConfigWaiting_RBV") == "FillSpectra.roi_low of M00:C00:ROI1"
    why = ioc.get("ReadyMessage_RBV")
    assert why == "FillSpectra.roi_high of M00:C00:ROI1 = 20: is below roi_low of M00:C00:ROI1 = 30"
    assert ioc.get("ReadyCure_RBV") == "Tasks"
    assert ioc.get("StartMessage_RBV") == f"Start would be refused: {why}."
    with pytest.raises(PutFailed):
        ioc.put("Acquire", 1)
    assert (ioc.get("CmdStatus_RBV"), ioc.get("CmdMessage_RBV")) == ("Refused", why)
    assert (ioc.get("RunId_RBV"), ioc.get("ErrorLatched_RBV")) == (run, "OK")
    ioc.put(low, 10)
    ioc.until("ReadyMessage_RBV", "")
    assert ioc.get("ConfigWaiting_RBV") == ""


def test_a_setting_that_a_task_refuses_is_nobodys_error(ioc: Ioc) -> None:
    with pytest.raises(PutFailed):
        ioc.put("Brake:Refuse", 13)
    assert (ioc.get("CmdStatus_RBV"), ioc.get("CmdPv_RBV")) == ("Refused", "Brake:Refuse")
    assert ioc.get("CmdMessage_RBV").startswith("Brake:Refuse: Brake: 13 brings bad luck")
    assert (ioc.get("IOC:ERROR"), ioc.get("Brake:ERROR"), ioc.get("Brake:Refuse")) == ("OK", "OK", 0)


def test_the_list_of_alarms_says_what_happened_until_it_is_acknowledged_and_the_log_where_in_the_code(ioc: Ioc) -> None:
    done = ioc.put_later("Acquire", 1)
    ioc.until("DetectorState_RBV", "Acquire")
    ioc.put("Brake:Fail", 1)
    with pytest.raises(PutFailed):
        done.result(60)
    ioc.until(
        "Alarm1:Text_RBV", lambda text: text.startswith("Brake:ERROR is RuntimeError: the brake has failed, since ")
    )
    assert ioc.get("Brake:ErrorMessage_RBV") == "RuntimeError: the brake has failed"
    logged = ioc.output().partition("Brake: RuntimeError: the brake has failed\n      Traceback ")[2].splitlines()
    assert any(line.startswith('        File "') and "brake" in line for line in logged)
    ioc.put("Brake:Fail", 0)
    ioc.put("ErrorAck", 1)
    assert "Brake:ERROR" not in ioc.get("AlarmList_RBV")


def test_a_lost_task_is_named_once(ioc: Ioc) -> None:
    task = ioc.tasks()[-1]
    ioc.kill_task(task)
    ioc.until("StatusMessage_RBV", f"{task}: its process was killed by signal 9")


def test_a_lost_task_heads_the_list_of_alarms_and_start_says_that_it_replaces_it(ioc: Ioc) -> None:
    task = ioc.tasks()[-1]
    ioc.kill_task(task)
    ioc.until("Alarm1:Text_RBV", lambda text: text.startswith(f"{task}:ERROR is ") and "killed by signal 9" in text)
    assert ioc.get("Alarm1:Severity_RBV") == "MAJOR"
    assert ioc.get("Alarm1:Guidance_RBV")
    assert ioc.get("Alarm1:Screen_RBV") == 3 + len(ioc.tasks())
    assert ioc.get("AlarmList_RBV").startswith(f"MAJOR    {task}:ERROR is ")
    ioc.until("StartMessage_RBV", lambda text: text.startswith(f"Start will replace {task}, then start run "))
    assert f"ERROR {task}: " in ioc.get("RunLog_RBV").split("\n")[0]
    assert "killed by signal 9" in ioc.get("ErrorFirstMessage_RBV")
    ioc.put("ErrorAck", 1)
    assert ioc.get("ErrorFirstMessage_RBV") == ""
    assert "all errors acknowledged by " in ioc.get("RunLog_RBV").split("\n")[0]
    ioc.put("Reset", 1)
    ioc.until("AlarmList_RBV", lambda text: task not in text)


def test_what_keeps_it_from_being_ready_is_a_warning_with_its_cure(ioc: Ioc) -> None:
    before = {name: ioc.get(name) for name in ("FilePath", "AutoSave", "CreateDirectory")}
    ioc.put("CreateDirectory", 0)
    ioc.put("AutoSave", "Yes")
    ioc.put("FilePath", "/no/such/folder")
    ioc.until("ReadyCure_RBV", "Make folder")
    assert ioc.severity("Ready_RBV") == 1
    assert ioc.get("StartMessage_RBV").startswith("Start would be refused: there is no folder /no/such/folder")
    for name, value in before.items():
        ioc.put(name, value)
    ioc.until("ReadyCure_RBV", "None")
