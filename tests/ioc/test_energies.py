"""keV as an operator has them: a calibration that is written, regions in keV, and what the data say of it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pixieioc.ioc.energies import Energies
from pixieioc.ioc.records import PutRefused
from tests.ca_client import PutFailed
from tests.ioc.ca.peer import conversation
from tests.ioc.test_settings import JAN, Desk, _Observer, desk_of_tasks
from tests.running_ioc import Ioc

CONFIG = """
[pipeline]
chain = ["DummyData", "GatherData", "ConvertToEvents", "SortEvents", "WriteEvents", "FillSpectra", "Singles"]

[crate]
channels = 2

[calibration]
gain = { "M00:C00" = 0.1 }
name = { "M00:C00" = "LaBr A" }

[tasks.GatherData]
file_path = "data/"
create_directory = true
auto_save = true

[tasks.WriteEvents]
file = "events{run}.parquet"

[tasks.FillSpectra]
roi_low_kev = { "M00:C00" = [640] }
roi_high_kev = { "M00:C00" = [672] }

[tasks.Singles]
class = "FillSpectra"

[ioc]
state_dir = "state"
"""


def _energies(desk: Desk) -> list[str]:
    """What is refused."""
    told: list[str] = []
    Energies(desk.pvs, desk.settings, lambda record, why, client: told.append(f"{record.info.name}: {why}"))
    return told


def _shown(desk: Desk, name: str) -> Any:
    desk.pvs[name].refresh()
    return desk.pvs[name].value


# -- the rules, without processes -------------------------------------------------------------------------------------


@conversation
async def test_a_calibration_posts_its_setpoint_and_its_readback_and_nothing_else() -> None:
    async with desk_of_tasks(bins=256) as desk:
        _energies(desk)
        for name in desk.pvs:
            desk.pvs[name].refresh()
        observers = {name: _Observer() for name in desk.pvs}
        for name, observer in observers.items():
            desk.pvs[name].observe(observer)
        await desk.put("M00:C01:CalGain", 0.1)
        assert {name for name, observer in observers.items() if observer.posts} == {
            "M00:C01:CalGain", "M00:C01:CalGain_RBV"
        }  # fmt: skip
        # What follows from it is made for whoever looks; other channels have nothing new.
        late = {name for name, record in desk.pvs.items() if record.late is not None and "ConfigJSON" not in name}
        edges = {f"M00:C01:ROI{i}:{edge}Kev" for i in range(1, 5) for edge in ("Low", "High")}
        assert late == {"CalVersion_RBV", "M00:C01:EnergyAxis_RBV", "M00:C01:Calibrated_RBV", *edges}
        assert _shown(desk, "M00:C01:EnergyAxis_RBV").tolist() == pytest.approx((np.arange(256) * 25.6).tolist())
        assert len(_shown(desk, "M00:C00:EnergyAxis_RBV")) == 0
        assert len(_shown(desk, "CalVersion_RBV")) == 12


@conversation
async def test_a_region_in_kev_is_one_in_bins() -> None:
    async with desk_of_tasks(bins=256) as desk:
        told = _energies(desk)
        low, high = "M00:C01:ROI2:LowKev", "M00:C01:ROI2:HighKev"
        with pytest.raises(PutRefused):
            await desk.put(low, 640)
        none = "the channel has no calibration, its CalGain is 0; M00:C01:ROI2:Low takes a bin"
        assert told.pop() == f"{low}: {none}"
        assert math.isnan(_shown(desk, low))
        before = list(desk.told)
        put = desk.pvs[low].put
        assert put is not None
        assert put(math.nan, JAN) is None  # what is shown can be written, and changes nothing
        assert (told, desk.told) == ([], before)
        await desk.put("M00:C01:CalGain", 0.1)  # a bin has 25.6 keV
        assert (_shown(desk, low), _shown(desk, high)) == (0, 0)  # a region without an end ends where it begins
        assert put(0.0, JAN) is not None
        assert desk.pvs[high].put(0.0, JAN) is None  # pyright: ignore[reportOptionalCall]
        await desk.put("M00:C01:CalOffset", -1.2345)
        assert desk.pvs[high].put(-1.23, JAN) is None  # pyright: ignore[reportOptionalCall]  # as it is printed
        assert desk.shows("M00:C01:ROI2:High") == (-1, -1, "No")
        await desk.put("M00:C01:CalOffset", 0)
        assert await desk.put(high, 680) == "OK M00:C01:ROI2:High = 26"
        assert await desk.put(low, 641) == "OK M00:C01:ROI2:Low = 25"
        assert [_shown(desk, low), _shown(desk, high)] == pytest.approx([640, 691.2])
        for name in (low, high):  # what is shown can be written, and changes nothing
            await desk.put(name, _shown(desk, name))
        assert desk.shows("M00:C01:ROI2:Low") == (25, 25, "No")
        assert desk.shows("M00:C01:ROI2:High") == (26, 26, "No")
        # Also as it is printed, rounded.
        for gain, offset in ((0.1235, -1.2345), (0.4321, 12.3456), (0.00123, -0.3)):
            await desk.put("M00:C01:CalGain", gain)
            await desk.put("M00:C01:CalOffset", offset)
            for name in (low, high):
                for text in (f"{_shown(desk, name):.6g}", f"{_shown(desk, name):.2f}"):
                    await desk.put(name, float(text))
            assert desk.shows("M00:C01:ROI2:Low") == (25, 25, "No")
            assert desk.shows("M00:C01:ROI2:High") == (26, 26, "No")
        await desk.put("M00:C01:CalGain", 0.1)
        # Another calibration: the bins stay.
        await desk.put("M00:C01:CalOffset", -10)
        assert [_shown(desk, low), _shown(desk, high)] == pytest.approx([630, 681.2])
        assert desk.shows("M00:C01:ROI2:Low") == (25, 25, "No")
        for wrong in (-10.1, 1e9, math.nan, math.inf):
            with pytest.raises(PutRefused):
                await desk.put(low, wrong)
            assert told.pop().endswith(" is in no bin: must be from -10 to 6543.6 keV")


@conversation
async def test_numbers_that_turn_around_wait_for_their_partner() -> None:
    async with desk_of_tasks() as desk:
        told = await desk.put("M00:C00:CalQuadratic", -1e-6)  # without a gain it means nothing
        assert told == "OK M00:C00:CalQuadratic = -1e-06"
        told = await desk.put("M00:C00:CalGain", 0.1)
        problem = (
            "FillSpectra.cal_quadratic of M00:C00 = -1e-06: must be above -7.62939e-07 with cal_gain = 0.1, so that"
        )
        assert problem in told
        assert "is kept until it fits" in told
        assert desk.shows("M00:C00:CalGain") == (0.1, 0, "Yes")
        await desk.put("M00:C00:CalQuadratic", 0)
        assert desk.shows("M00:C00:CalGain") == (0.1, 0.1, "No")
        assert "must be a number from 1e-06 to 1000 (keV/ADU)" in await desk.refused("M00:C00:CalGain", -1)
        # Each task that shares it uses the same, also by ConfigJSON.
        await desk.put("ConfigJSON", json.dumps({"FillSpectra": {"cal_gain": {"M00:C01": 0.2}}}))
        assert desk.settings.used["GatherData"]["cal_gain"][0][:2] == [0, 0.2]  # pyright: ignore


# -- an IOC -----------------------------------------------------------------------------------------------------------


def _run(ioc: Ioc) -> None:
    ioc.put("PresetMode", "Real time")
    ioc.put("PresetReal", 0.3)
    ioc.put("Acquire", 1)


def _metadata(path: Path) -> dict[str, Any]:
    return json.loads(pq.ParquetFile(path).metadata.metadata[b"pixieioc"])


def test_a_calibration_over_channel_access(ioc: Ioc) -> None:
    assert ioc.get("M00:C00:Name_RBV") == "LaBr A"
    assert [ioc.get(f"M00:C00:ROI1:{edge}") for edge in ("Low_RBV", "High_RBV")] == [200, 209]
    assert [ioc.get(f"M00:C00:ROI1:{edge}Kev") for edge in ("Low", "High")] == pytest.approx([640, 672])
    # The second task with spectra has regions of its own, and the same calibration.
    assert ioc.get("Singles:M00:C00:ROI1:HighKev") == 0  # there is none
    assert [ioc.get(f"{before}M00:C0{i}:Calibrated_RBV") for before in ("", "Singles:") for i in (0, 1)] == [
        "Yes", "No", "Yes", "No"
    ]  # fmt: skip
    with ioc.watch("M00:C01:EnergyAxis_RBV", "CalVersion_RBV") as watch:
        before = watch.values("CalVersion_RBV")[0]
        ioc.put("M00:C01:CalGain", 0.2)
        watch.until("M00:C01:EnergyAxis_RBV", lambda axis: len(axis) == 2048 and axis[1] == 6.4, 3)
        watch.until("CalVersion_RBV", lambda version: version not in ("", before), 3)
    ioc.put("M00:C01:ROI1:HighKev", 100)
    ioc.put("M00:C01:ROI1:LowKev", 50)
    assert [ioc.get(f"M00:C01:ROI1:{edge}_RBV") for edge in ("Low", "High")] == [7, 15]
    with pytest.raises(PutFailed):
        ioc.put("M00:C01:ROI1:LowKev", 1e6)
    assert ioc.get("CmdMessage_RBV").endswith("1000000 is in no bin: must be from 0 to 13107.2 keV")
    assert (ioc.get("CmdStatus_RBV"), ioc.get("CmdPv_RBV")) == ("Refused", "M00:C01:ROI1:LowKev")


def test_what_the_data_say_of_it(ioc: Ioc) -> None:
    done = ioc.put_later("Acquire", 1)
    ioc.until("FillSpectra:Events_RBV", lambda events: events > 100, 60)
    ioc.put("M00:C01:CalGain", 0.25)
    before = ioc.get("WriteEvents:Counter_RBV")
    ioc.until("WriteEvents:Counter_RBV", lambda items: items > before + 2)
    ioc.put("Stop", 1)
    done.result()
    events = ioc.folder / f"events{ioc.get('RunId_RBV'):06d}.parquet"
    table, about = pq.read_table(events).to_pandas(), _metadata(events)["calibration"]
    # The file has one calibration, that of its beginning: channel 1 had none.
    first, second = (table[table.channel == channel] for channel in (0, 1))
    assert np.allclose(first.energy_kev, 0.1 * first.energy, rtol=1e-7)
    assert len(first)
    assert second.energy_kev.isna().all()
    assert len(second)
    assert (about["channels"].keys(), about["changes"]) == ({"M00:C00"}, 1)
    assert about["at_end"]["version"] == ioc.get("CalVersion_RBV") != about["version"]
    [sidecar] = (ioc.folder / "data").glob(f"*run{ioc.get('RunId_RBV'):06d}*.json")
    said = json.loads(sidecar.read_text())
    assert {**said["calibration"], "changed_at": 0} == {**about, "changed_at": 0}
    assert "cal_gain" not in said["configuration"]["FillSpectra"]
    # The next run has it from the beginning.
    _run(ioc)
    events = ioc.folder / f"events{ioc.get('RunId_RBV'):06d}.parquet"
    second = pq.read_table(events, filters=[("channel", "=", 1)]).to_pandas()
    assert np.allclose(second.energy_kev, 0.25 * second.energy, rtol=1e-7)
    assert len(second)
    assert _metadata(events)["calibration"]["changes"] == 0
