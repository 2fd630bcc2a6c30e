"""What a recceiver is told of an IOC and of its records."""

from __future__ import annotations

from pixieioc.config import IocTable
from pixieioc.config_schema import RecSyncTable
from pixieioc.ioc.records import Record
from pixieioc.ioc.recsync.protocol import add_info, add_record, upload_done
from pixieioc.ioc.recsync.upload import Upload, own_properties, properties
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.build import all_pvs
from tests.configs import config_of

OWN = own_properties("PX16:", "daq1", {"RSRV_SERVER_PORT": 5064})


def test_the_configuration_counts_before_the_environment_and_that_before_what_the_ioc_knows() -> None:
    environment = {"HOSTNAME": "daq1.lab", "ENGINEER": "Jan", "LOCATION": "hall 3", "SECRET": "x", "TOP": ""}
    told = properties(OWN, environment, {"ENGINEER": "Eva", "LOCATION": "", "BUILDING": "7"})
    assert told["HOSTNAME"] == "daq1.lab"
    assert told["ENGINEER"] == "Eva"
    assert told["BUILDING"] == "7"
    assert told["IOCNAME"] == "PX16"
    assert told["RSRV_SERVER_PORT"] == "5064"
    assert not {"LOCATION", "SECRET", "TOP"} & told.keys()


def test_each_record_has_its_type_its_tags_and_its_description() -> None:
    count = Record(PvInfo("Count", "longin", "Things that were counted."), "PX16:Count")
    size = Record(PvInfo("Size", "ao", "How many.", 0.0, access="EX", saved=True), "PX16:Size")
    messages = b"".join(Upload({"IOCNAME": "PX16"}, [count, size], "PX16:").pieces())
    assert messages == b"".join(
        [
            add_info(0, "IOCNAME", "PX16"),
            add_record(1, "longin", "PX16:Count"),
            add_info(1, "archive", "monitor, 1.0, VAL, controllingPV=PX16:Acquire_RBV"),
            add_info(1, "recordDesc", "Things that were counted."),
            add_record(2, "ao", "PX16:Size"),
            add_info(2, "autosaveFields", "VAL"),
            add_info(2, "recordDesc", "How many."),
            upload_done(),
        ]
    )


def test_an_upload_is_made_in_small_pieces() -> None:
    records = [Record(PvInfo(f"X{i}", "ai", "A number.", 0.0), f"X{i}") for i in range(1000)]
    pieces = list(Upload(OWN, records, "").pieces())
    assert len(pieces) == 21
    assert max(map(len, pieces)) < 20_000


def test_patterns_leave_out_whole_names() -> None:
    records = [Record(PvInfo(name, "ai", "", 0.0), f"PX16:{name}") for name in ("A", "A:REPORT:B", "M00:C03:X")]

    def told(*patterns: str) -> tuple[int, list[str]]:
        upload = Upload({}, records, "PX16:", patterns)
        sent = b"".join(upload.pieces())
        return upload.count, [record.info.name for record in records if record.name.encode() + b"RC" in sent]

    assert told("*:REPORT:*") == (2, ["A", "M00:C03:X"])
    assert told("*:M00:C0?:*", "A") == (2, ["A", "A:REPORT:B"])
    assert told() == (3, ["A", "A:REPORT:B", "M00:C03:X"])
    assert told("*") == (0, [])


def test_there_are_process_variables_of_the_caster_only_where_there_is_one() -> None:
    chain, on = ("DummyData", "PrintData"), IocTable(recsync=RecSyncTable(on=True))
    names = {"IOC:RecSync:State-Sts", "IOC:RecSync:Msg-I", "IOC:RecSync:Server_RBV", "IOC:RecSync:Count_RBV"}
    assert all_pvs(config_of(chain, {}, ioc=on)).keys() - all_pvs(config_of(chain, {})).keys() == names
