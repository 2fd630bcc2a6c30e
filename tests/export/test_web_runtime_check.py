"""All screens can be shown by the web runtime, as far as its table says; and the check sees what cannot."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from pixieioc.export.phone import phone_screens
from pixieioc.export.screens import screens
from tests.export.described import CASES, case, described
from tests.export.web_runtime_check import KINDS, web_runtime
from tests.system.web_runtime import FOLDER

ALL = {name: lambda name=name: case(name)[1] for name in CASES} | {
    "modules": lambda: described("TakeData", "GatherData", "ConvertToEvents", "FillSpectra", "SnapTraces"),
}


@pytest.mark.parametrize("name", ALL)
def test_all_screens_can_be_shown(name: str) -> None:
    description = ALL[name]()
    assert list(web_runtime(screens(description))) == []
    phone = {file: text for file, text in phone_screens(description).items() if file.endswith(".bob")}
    assert list(web_runtime(phone)) == []


GOOD = """
<display version="2.0.0"><name>Run</name>
  <widget type="template" version="2.0.0"><name>rows</name><file>row.bob</file>
    <instances><instance><macros><C>00</C></macros></instance></instances></widget>
  <widget type="xyplot" version="3.0.0"><name>plot</name>
    <y_axes><y_axis><log_scale>true</log_scale></y_axis></y_axes>
    <traces><trace><y_pv>$(P)M$(M=00):Spectrum_RBV</y_pv></trace></traces></widget>
  <widget type="polyline" version="2.0.0"><name>link</name><points><point x="1.0" y="1.0"/></points>
    <rules><rule name="loss" prop_id="line_color" out_exp="false">
    <exp bool_exp="pv0 &gt;= 1 || pvStr1 == &quot;A&quot;">
    <value><color red="0" green="0" blue="0"/></value></exp><pv_name>$(P)A</pv_name></rule></rules></widget>
  <widget type="textupdate" version="2.0.0"><name>value</name><pv_name>$(P)A</pv_name></widget>
  <widget type="progressbar" version="2.0.0"><name>bar</name><pv_name>$(P)A</pv_name></widget>
  <widget type="action_button" version="3.0.0"><name>go</name>
    <actions><action type="open_display"><file>run.bob</file></action></actions></widget>
</display>"""


def _problems(old: str, new: str) -> list[str]:
    assert old in GOOD
    return list(web_runtime({"run.bob": GOOD.replace(old, new)}))


def test_a_good_screen_is_good() -> None:
    assert _problems("", "") == []


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("<C>00</C>", "<M>$(M=00)</M>", "looks for ever for the macro M"),
        ("<C>00</C>", "<C>$(N)</C><N>$(C)</N>", "looks for ever for the macro C"),
        ("<log_scale>true", "<log_scale>$(LOG=false)", r"the macro in log_scale is not replaced: \$\(LOG=false\)"),
        ("<log_scale>true</log_scale>", "<on_right>true</on_right>", "reads on_right of y_axis is not known"),
        ("pv0 &gt;= 1", "pvSev0 &gt;= 1", "has 'pvSev'"),
        ("pv0 &gt;= 1", "pv0 &gt;= 1 and pv1 == 2", "has 'and'"),
        ("&quot;A&quot;", "&quot;TriggerThreshold or not&quot;", "takes 'or' for an operator"),
        ('prop_id="line_color"', 'prop_id="line_width"', "no rule can change line_width of a polyline"),
        ('type="textupdate"', 'type="meter"', "meter is not among the widgets"),
        ("<name>value</name>", "<name>value</name><rotation_step>1</rotation_step>", "reads rotation_step"),
        ('type="textupdate"', 'type="progressbar"', "bar comes behind a bar of"),
        ('type="open_display"', 'type="execute"', "it does not do execute"),
    ],
)  # fmt: skip
def test_what_it_cannot_show_is_seen(old: str, new: str, says: str) -> None:
    problems = _problems(old, new)
    assert any(re.search(says, problem) for problem in problems), problems


def test_the_table_is_that_of_the_runtime() -> None:
    listed = FOLDER / "dbwr" / "WEB-INF" / "classes" / "widget.properties"
    if not listed.is_file():
        pytest.skip(f"no unpacked dbwr in {FOLDER}")
    lines = [line for line in listed.read_text().splitlines() if "=" in line and not line.startswith("#")]
    types: Mapping[str, str] = dict(line.split("=", 1) for line in lines)
    assert set(KINDS) <= set(types)
