"""The database and the access security file: EPICS itself loads them, and has the fields that they should give it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from pixieioc.export import outputs
from pixieioc.export.database import record
from pixieioc.export.text import shortened
from pixieioc.export.write import write
from pixieioc.ioc.records import Record
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.description import Description
from pixieioc.pvinfo.model import LONGEST_DESC, SEVERITIES
from tests.conftest import CA_PORTS
from tests.export.described import DEMO, everything, of_file
from tests.export.load_database import MARK


def _loaded(folder: Path, description: Description, fields: Iterable[str]) -> dict[str, Any]:
    """What EPICS says of these fields, `NAME.FIELD` without prefix."""
    write(folder, outputs(description))
    prefix = description.prefix
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("load_database.py"), folder / "db"],
        input="\n".join(prefix + field for field in fields),
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "EPICS_CAS_SERVER_PORT": str(CA_PORTS[0])},
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.partition(MARK)[2])
    assert (said["loaded"], said["started"], said["access"]) == (0, 0, 1), done.stderr
    # All that EPICS says when it is content; it does not fail for an unknown access group or a value out of range.
    assert done.stderr.split("\n") == ["Starting iocInit", "iocRun: All initialization complete", ""]
    return {name.removeprefix(prefix): text for name, text in said["fields"].items()}


FIELDS = """
Acquire          | RTYP bo, ASG OP, ZNAM Done, ONAM Acquire, ZSV NO_ALARM, OSV NO_ALARM, VAL 0
Kill             | RTYP bo, ASG EN, ONAM Kill
StatusMessage_RBV | RTYP waveform, FTVL CHAR, NELM 256
SimMode_RBV      | RTYP bi, ZNAM Hardware, ONAM Simulation, ZSV NO_ALARM, OSV MINOR
Ready_RBV        | RTYP bi, ZSV MINOR, OSV NO_ALARM, VAL 1
State_RBV        | RTYP mbbi, ZRST WAITING, ONST RUNNING, THST PANICKING, THSV MAJOR, FRST UNKNOWN, FRSV INVALID, FVST
PresetMode       | RTYP mbbo, ASG OP, ZRST No preset, FRST Triggers, FRVL 0x4, VAL 0
PresetReal       | RTYP ao, EGU s, PREC 3, DRVL 0.1, DRVH 10000000, LOPR 0.1, HOPR 10000000, VAL 60
PresetEvents     | RTYP int64out, DRVL 1, DRVH 9007199254740992, VAL 100000
PresetEvents_RBV | RTYP int64in, HOPR 9007199254740992
DeadTime_RBV     | RTYP ai, EGU %, PREC 1, HIGH 40, HSV MINOR, HIHI 70, HHSV MAJOR, LLSV NO_ALARM, LSV NO_ALARM, HYST 2
DiskFree_RBV     | RTYP ai, EGU GB, LOLO 1, LLSV MAJOR, LOW 10, LSV MINOR, HSV NO_ALARM, HHSV NO_ALARM
IOC:FD_FREE      | RTYP longin, LOLO 20, LLSV MAJOR, LOW 100, LSV MINOR, VAL 1000
IOC:SYSRESET     | RTYP bo, ASG EN
SortEvents:ERROR | RTYP bi, ZNAM OK, ONAM ERROR, OSV MAJOR
SortEvents:Window | RTYP ao, EGU us, ASG EX
SortEvents:Balance_RBV | RTYP ai, PREC 0, LOLO -1, LLSV MAJOR, HIHI 1, HHSV MAJOR
M00:C00:Spectrum_RBV | RTYP waveform, FTVL LONG, NELM 2048
M00:OutputCountRates_RBV | RTYP waveform, FTVL DOUBLE, NELM 4, EGU 1/s, PREC 1
"""


def test_epics_has_the_fields(tmp_path: Path) -> None:
    wanted: dict[str, str] = {}
    for line in FIELDS.strip().splitlines():
        name, _, fields = (cell.strip() for cell in line.partition("|"))
        for field in fields.split(", "):
            wanted[f"{name}.{field.split(' ')[0]}"] = field.partition(" ")[2]
    assert _loaded(tmp_path, of_file(DEMO), wanted) == wanted


def test_every_record_is_there_with_its_description_and_in_no_alarm_that_the_ioc_has_not(tmp_path: Path) -> None:
    description = everything()
    names = [f"{name}.{field}" for name in description.pvs for field in ("DESC", "ASG", "RTYP", "SEVR", "EGU")]
    said = _loaded(tmp_path, description, names)
    for name, pv in description.pvs.items():
        assert said[f"{name}.RTYP"] == pv.record
        assert said[f"{name}.DESC"] == shortened(pv.doc)
        assert said[f"{name}.ASG"] == pv.access
        assert said[f"{name}.EGU"] in (None, "" if pv.is_enum else pv.unit), name
        if pv.record != "waveform":  # which is undefined until there is one
            assert said[f"{name}.SEVR"] == SEVERITIES[Record(pv, name).severity], name


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("Clears the spectra.", "Clears the spectra"),
        ("What ends a run, whatever it may be: as it is used.", "What ends a run, whatever it may be"),
        ("Ends the run at once; data still in the chain are discarded.", "Ends the run at once"),
        ("Whether a put to Acquire also waits for the tasks.", "Whether a put to Acquire also waits..."),
        (
            "Sum of 1 no run in progress, 2 links empty, 4 settings valid.",
            "Sum of 1 no run in progress, 2 links...",
        ),
        ("Ä" * 25, "Ä" * 18 + "..."),
        ("N: a colon that comes too early is not the end of it all.", "N: a colon that comes too early is..."),
    ],
)
def test_descriptions_are_cut_between_words_and_tell_it(text: str, short: str) -> None:
    assert shortened(text) == short
    assert len(short.encode()) <= LONGEST_DESC


def test_texts_are_quoted() -> None:
    pv = PvInfo("X", "bo", 'A "quoted" \\ word.', labels=("a\nb", '"c"'))
    assert 'field(DESC, "A \\"quoted\\" \\\\ word")' in record(pv)
    assert 'field(ZNAM, "a\\nb")' in record(pv)
    assert 'field(ONAM, "\\"c\\"")' in record(pv)


def test_what_looks_like_a_macro_is_text() -> None:
    text = record(PvInfo("X", "ai", "Of $(P) and ${Q}.", unit="a unit that is too long"))
    assert 'field(DESC, "Of (P) and {Q}")' in text
    assert 'field(EGU, "a unit that...")' in text


def test_limits_that_are_not_set_are_not_written() -> None:
    text = record(PvInfo("X", "ai", "X.", limits=(math.nan, math.nan, math.nan, 3.5)))
    assert 'field(HIHI, "3.5")' in text
    assert "LOLO" not in text
    assert "nan" not in text
