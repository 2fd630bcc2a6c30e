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
    assert "file_path" in ioc.get("ConfigWaiting_RBV")
    for name, value in before.items():
        ioc.put(name, value)
    ioc.put("Configure", 1)
    ioc.until("ReadyCure_RBV", "None")
