"""A Channel Access client in Java, which Phoebus and other programs of control rooms are, asks for fields.

The jars of JCA are looked for in the folder that the environment variable JAVA_CA_FOLDER names, and in
`~/.cache/pixieioc-tests/java-ca`: `org.epics:jca`, of Maven Central.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pixieioc.ioc.records import Record
from pixieioc.ioc.records.field_table import FIELDS
from tests.conftest import CA_PORTS
from tests.ioc.ca.peer import writable
from tests.ioc.ca.serving import serving
from tests.ioc.ca.test_stock_fields import INFOS

FOLDER = Path(os.environ.get("JAVA_CA_FOLDER", Path.home() / ".cache" / "pixieioc-tests" / "java-ca"))
_CONTEXT = "com.cosylab.epics.caj.CAJContext"


@pytest.fixture(scope="module", autouse=True)
def _java() -> None:
    if shutil.which("java") is None:
        pytest.skip("there is no java")
    if not list(FOLDER.glob("jca-*.jar")):
        pytest.skip(f"there is no jca-*.jar in {FOLDER}")


def _read(names: list[str], seconds: int = 60) -> dict[str, list[str]]:
    """Type, elements and text of each name; an empty list of one that nobody answers to."""
    properties = {
        f"{_CONTEXT}.addr_list": f"127.0.0.1:{CA_PORTS[0]}",
        f"{_CONTEXT}.auto_addr_list": "false",
        f"{_CONTEXT}.repeater_port": os.environ["EPICS_CA_REPEATER_PORT"],
        f"{_CONTEXT}.max_array_bytes": "1000000",
    }
    done = subprocess.run(
        [
            "java", *(f"-D{name}={value}" for name, value in properties.items()), "-cp", f"{FOLDER}/*",
            Path(__file__).with_name("ReadNames.java"), str(seconds),
        ],
        input="\n".join(names),
        capture_output=True,
        text=True,
        timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines() if line.split("\t")[0] in names]
    assert [line[0] for line in lines] == names, done.stdout + done.stderr
    return {name: rest for name, *rest in lines}


def test_every_field_of_every_record_type_answers() -> None:
    """Those of a datagram in which there are names that nobody has, too."""
    records = [writable(Record(info, name)) for name, info in INFOS.items()]
    names = [f"{record}.{field}" for record, fields in FIELDS.items() for field in fields]
    wrong = ["ai.NOFIELD", 'ai.{"foo":{}}', "stringout.DESC[", "nothing.DESC"]
    filtered = ['ai.{"dbnd":{"abs":1.5}}', "waveform.[0:0]", "ao.DESC$", "stringout$", 'stringin.{"ts":{}}']
    with serving(records, CA_PORTS[0]) as served:
        said = _read([*names, *filtered])
        assert [name for name, answer in said.items() if not answer] == []
        for name in names:
            field = served.server.find(name)
            assert field is not None
            if not name.endswith(".TIME"):  # which follows what the fields of the alarm have had posted
                shown = field.record.as_text(field.record.value)
                assert (name, said[name][2]) == (name, shown)
        assert said["stringout.RTYP"] == ["DBR_STRING", "1", "stringout"]
        assert said["longin.HIHI"] == ["DBR_INT", "1", "20"]
        assert said["ao.DISP"] == ["DBR_BYTE", "1", "0"]
        assert said["ai.INP"] == ["DBR_STRING", "1", "@Sort value"]
        assert said["waveform.[0:0]"] == ["DBR_DOUBLE", "1", "1.50"]
        assert said["ao.DESC$"][:2] == ["DBR_BYTE", "256"]
        mixed = [
            name for pair in zip(wrong, ("ai.DESC", "ao", "stringout.NAME", "mbbi.SEVR"), strict=True) for name in pair
        ]
        answers = _read(mixed, seconds=6)
        assert [name for name, answer in answers.items() if not answer] == wrong
