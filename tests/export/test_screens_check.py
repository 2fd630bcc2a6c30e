"""The walk through screens sees what is wrong with them."""

from __future__ import annotations

import re

import pytest

from tests.export.described import DEMO, of_demo, of_file
from tests.export.screens_check import screens

#: A screen that shows a row a task, and opens another one.
RUN = """
<display version="2.0.0"><name>Run</name>
  <widget type="textupdate" version="2.0.0"><name>state</name><pv_name>$(P=X:)State_RBV</pv_name></widget>
  <widget type="textupdate" version="2.0.0"><name>said</name><pv_name>$(P)StatusMessage_RBV</pv_name><format>6</format>
    <tooltip>$(pv_name) $(pv_value)</tooltip></widget>
  <widget type="group" version="3.0.0"><name>g</name><macros><N>Real</N></macros>
    <widget type="textentry" version="3.0.0"><name>entry</name><pv_name>$(P)Preset$(N)</pv_name></widget></widget>
  <widget type="action_button" version="3.0.0"><name>start</name>
    <actions><action type="write_pv"><pv_name>$(P)Acquire</pv_name><value>1</value></action></actions></widget>
  <widget type="action_button" version="3.0.0"><name>open</name><actions><action type="open_display">
    <file>expert.bob</file></action></actions></widget>
  <widget type="template" version="2.0.0"><name>rows</name><file>task.bob</file>
    <instances><instance><macros><T>SortEvents</T></macros></instance></instances></widget>
  <widget type="embedded" version="2.0.0"><name>rates</name><file>rates.bob</file></widget>
</display>"""
TASK = """
<display version="2.0.0"><name>$(T)</name>
  <widget type="multi_state_led" version="2.0.0"><name>led</name><pv_name>$(P)$(T):Status</pv_name>
    <rules><rule name="r" prop_id="visible" out_exp="false"><exp bool_exp="pv0 == 1"><value>true</value></exp>
    <pv_name>$(P)$(T):ERROR</pv_name></rule></rules></widget>
</display>"""
RATES = """
<display version="2.0.0"><name>Rates</name>
  <widget type="xyplot" version="3.0.0"><name>plot</name>
    <traces><trace><y_pv>$(P)M00:OutputCountRates_RBV</y_pv></trace></traces><marker><marker><pv_name>$(P)PresetReal</pv_name><interactive>true</interactive></marker></marker></widget>
</display>"""
EXPERT = '<display version="2.0.0"><name>Expert</name></display>'
GOOD = {"opi/run.bob": RUN, "opi/task.bob": TASK, "opi/rates.bob": RATES, "opi/expert.bob": EXPERT}


def _problems(screen: str, old: str, new: str) -> list[str]:
    description = of_file(DEMO)
    # One screen for all tasks is enough here.
    tree = re.sub(r"task_\w+\.bob", "task.bob", of_demo()["db/pixieioc-alarms.xml"])
    files = {"db/pixieioc-alarms.xml": tree, **GOOD}
    assert old in files[screen]
    files[screen] = files[screen].replace(old, new)
    return list(screens(files, description))


def test_good_screens_are_good() -> None:
    assert _problems("opi/run.bob", "", "") == []


@pytest.mark.parametrize(
    ("screen", "old", "new", "says"),
    [
        ("run", "State_RBV", "States_RBV", "States_RBV is not in the IOC"),
        ("run", "$(P=X:)State_RBV", "OTHER:State_RBV", "OTHER:State_RBV is not in the IOC"),
        ("run", "$(P)StatusMessage", "$(Q)StatusMessage", r"\$\(Q\)StatusMessage"),
        ("run", "<format>6</format>", "", "is a text and would show as numbers"),
        ("run", "<N>Real</N>", "<N>Unreal</N>", "PresetUnreal is not in the IOC"),
        ("run", "$(P)Preset$(N)", "$(P)PresetReal_RBV", "PresetReal_RBV cannot be written"),
        ("run", "<value>1</value>", "<value>Start</value>", "'Start' cannot be written to Acquire"),
        ("run", "$(P)Acquire<", "$(P)Acquire_RBV<", "cannot be written to Acquire_RBV"),
        ("run", "expert.bob", "experts.bob", "experts.bob: is opened, and there is no such file"),
        ("run", "<T>SortEvents</T>", "<T>Sorter</T>", "Sorter:Status is not in the IOC"),
        ("run", "<T>SortEvents</T>", "", r"\$\(T\)"),
        ("run", "<name>said</name>", "<name>state</name>", "two widgets have this name"),
        ("run", '<display version="2.0.0">', '<display version="1.0.0">', "is display 1.0.0"),
        ("run", "<name>Run</name>", "<macros><P>Y:</P></macros>", "Y:State_RBV is not in the IOC"),
        ("task", "$(T):ERROR", "$(T):ERRORS", "ERRORS is not in the IOC"),
        ("task", "$(T):Status", "$(T):PRINT", "a multi_state_led cannot show"),
        ("rates", "M00:OutputCountRates_RBV", "RunId_RBV", "a xyplot cannot show RunId_RBV"),
        ("rates", "$(P)PresetReal", "$(P)ElapsedReal_RBV", "a marker cannot be at"),
        ("rates", 'type="xyplot"', 'type="xyplotter"', "what does a xyplotter do"),
    ],
)
def test_what_is_wrong_is_seen(screen: str, old: str, new: str, says: str) -> None:
    problems = _problems(f"opi/{screen}.bob", old, new)
    assert problems
    assert any(re.search(says, problem) for problem in problems), problems


def test_a_screen_that_nobody_opens() -> None:
    files = {**of_demo(), **GOOD, "opi/lonely.bob": EXPERT}
    assert "lonely.bob: nothing opens it" in list(screens(files, of_file(DEMO)))
