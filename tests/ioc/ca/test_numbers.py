"""Numbers that Channel Access and the neutral rooms each know: they are the same."""

from __future__ import annotations

import caproto
import msgspec

from pixieioc.config import LimitsTable
from pixieioc.ioc.ca.limits import Limits
from pixieioc.ioc.ca.listeners import DBE_ALARM, DBE_LOG, DBE_PROPERTY, DBE_VALUE
from pixieioc.ioc.records import AlarmStatus
from pixieioc.pvinfo.model import SEVERITIES


def test_severities_and_statuses_are_those_of_channel_access() -> None:
    ours = {name: number for name, number in vars(AlarmStatus).items() if name.isupper()}
    assert ours == {name: int(caproto.AlarmStatus[name]) for name in ours}
    assert [f"{severity.name}".removesuffix("_ALARM") for severity in caproto.AlarmSeverity][1:3] == ["MINOR", "MAJOR"]
    assert len(SEVERITIES) == len(caproto.AlarmSeverity)


def test_what_changes_are_is_said_in_the_event_masks_of_channel_access() -> None:
    kind = caproto.SubscriptionType
    masks = (kind.DBE_VALUE, kind.DBE_LOG, kind.DBE_ALARM, kind.DBE_PROPERTY)
    assert tuple(map(int, masks)) == (DBE_VALUE, DBE_LOG, DBE_ALARM, DBE_PROPERTY)


def test_a_configuration_without_limits_has_those_of_the_server() -> None:
    assert Limits(**msgspec.structs.asdict(LimitsTable())) == Limits()
