"""What a recceiver is told: properties of the IOC, then each record with its type and its properties."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pixieioc
from pixieioc.ioc.ca.protocol import MINOR_VERSION
from pixieioc.ioc.records import Record
from pixieioc.ioc.recsync.protocol import add_info, add_record, upload_done
from pixieioc.pvinfo.about import info_tags

#: Variables of the environment that EPICS' own caster tells of, if they are set.
ENVIRONMENT = (
    "HOSTNAME", "EPICS_BASE", "TOP", "ARCH", "IOC", "EPICS_CA_ADDR_LIST", "EPICS_CA_AUTO_ADDR_LIST",
    "EPICS_CA_MAX_ARRAY_BYTES", "PWD", "EPICS_HOST_ARCH", "IOCNAME", "ENGINEER", "LOCATION",
)  # fmt: skip
#: Records that are made into messages at a time: what comes between two of them waits for less than a millisecond.
_TOGETHER = 50


def own_properties(prefix: str, host: str, ports: Mapping[str, int]) -> dict[str, str]:
    """What an IOC with this prefix knows of itself, by the names that EPICS' caster has for it; so are `ports`."""
    return {
        "EPICS_VERSION": f"pixieioc {pixieioc.__version__}",
        "IOCNAME": prefix.rstrip(":"),
        "HOSTNAME": host,
        **{name: str(port) for name, port in ports.items()},
        "CA_PROTOCOL_VERSION": f"4.{MINOR_VERSION}",
        "PREFIX": prefix,
    }


def properties(own: Mapping[str, str], environment: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Those of the IOC: what it knows of itself, above that its environment, above that what its configuration gives.

    One that is empty is not told.
    """
    told = {name: environment[name] for name in ENVIRONMENT if environment.get(name)}
    return {name: value for name, value in {**own, **told, **given}.items() if value}


class Upload:
    """An upload of records but for those whose names match one of the patterns, in which * and ? are as in a shell."""

    def __init__(
        self, info: Mapping[str, str], records: Iterable[Record], prefix: str, exclude: Sequence[str] = ()
    ) -> None:
        self.count = 0  #: records that were told so far
        self._info = info
        self._records = records
        self._prefix = prefix
        self._is_left_out = re.compile("|".join(map(fnmatch.translate, exclude)) or r"(?!)").match

    def pieces(self) -> Iterator[bytes]:
        """All messages, in pieces that take little time to make."""
        piece = [add_info(0, name, value) for name, value in self._info.items()]
        for number, record in enumerate(self._records, 1):
            if not self._is_left_out(record.name):
                self.count += 1
                piece.append(add_record(self.count, record.info.record, record.name))
                piece += [add_info(self.count, name, value) for name, value in self._properties(record)]
            if number % _TOGETHER == 0:
                yield b"".join(piece)
                piece = []
        yield b"".join([*piece, upload_done()])

    def _properties(self, record: Record) -> Iterator[tuple[str, str]]:
        yield from info_tags(record.info, self._prefix)
        if record.info.doc:
            yield "recordDesc", record.info.doc
