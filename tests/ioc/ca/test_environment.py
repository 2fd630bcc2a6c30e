"""The EPICS_CAS_ variables mean what they mean for a server of EPICS Base."""

from __future__ import annotations

import pytest

from pixieioc.ioc.ca.environment import CannotServe, Environment


def test_without_any_variable_it_is_the_usual_server() -> None:
    assert Environment.read({}) == Environment(server_port=5064, beacon_port=5065, beacons_automatic=True)


@pytest.mark.parametrize(
    ("variables", "field", "value"),
    [
        ({"EPICS_CA_SERVER_PORT": "6000"}, "server_port", 6000),
        ({"EPICS_CA_SERVER_PORT": "6000", "EPICS_CAS_SERVER_PORT": "6001"}, "server_port", 6001),
        ({"EPICS_CA_SERVER_PORT": "6000", "EPICS_CAS_SERVER_PORT": " "}, "server_port", 6000),
        ({"EPICS_CA_REPEATER_PORT": "6002"}, "beacon_port", 6002),
        ({"EPICS_CAS_BEACON_PORT": "6003", "EPICS_CA_REPEATER_PORT": "6002"}, "beacon_port", 6003),
        ({"EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1 10.0.0.1:99"}, "interfaces", ("127.0.0.1", "10.0.0.1")),
        ({"EPICS_CA_ADDR_LIST": "10.0.0.255"}, "beacons", (("10.0.0.255", 5065),)),
        ({"EPICS_CAS_BEACON_ADDR_LIST": "a:1 b", "EPICS_CA_ADDR_LIST": "c"}, "beacons", (("a", 1), ("b", 5065))),
        ({"EPICS_CA_AUTO_ADDR_LIST": "NO"}, "beacons_automatic", False),
        ({"EPICS_CA_AUTO_ADDR_LIST": "NO", "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "yes"}, "beacons_automatic", True),
        ({"EPICS_CAS_IGNORE_ADDR_LIST": "10.0.0.9 10.0.0.8"}, "ignored", frozenset({"10.0.0.9", "10.0.0.8"})),
        ({"EPICS_CAS_BEACON_PERIOD": "2.5"}, "beacon_period", 2.5),
        ({"EPICS_CA_BEACON_PERIOD": "3.5"}, "beacon_period", 3.5),
        ({"EPICS_CA_BEACON_PERIOD": "3.5", "EPICS_CAS_BEACON_PERIOD": "2.5"}, "beacon_period", 2.5),
    ],
)
def test_a_variable_or_else_that_of_the_clients(variables: dict[str, str], field: str, value: object) -> None:
    assert getattr(Environment.read(variables), field) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("EPICS_CAS_SERVER_PORT", "70000"),
        ("EPICS_CA_SERVER_PORT", "ca"),
        ("EPICS_CAS_BEACON_PORT", "-1"),
        ("EPICS_CAS_BEACON_PERIOD", "often"),
        ("EPICS_CAS_BEACON_PERIOD", "0"),
        ("EPICS_CA_BEACON_PERIOD", "never"),
        ("EPICS_CAS_BEACON_ADDR_LIST", "10.0.0.1:x"),
        ("EPICS_CA_ADDR_LIST", "10.0.0.1:x"),
    ],
)
def test_what_is_not_acceptable_is_named(name: str, text: str) -> None:
    with pytest.raises(CannotServe, match=f"{name}.*{text}.*must be"):
        Environment.read({name: text})
