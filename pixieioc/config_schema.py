"""The tables of a configuration file: which keys there are, of which type, and what each of them means."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from pixieioc.pipeline.graph import Branch, Graph

LONGEST_PREFIX = 30


def _described(doc: str, *, least: float | None = None, most: float | None = None) -> msgspec.Meta:
    return msgspec.Meta(description=doc, ge=least, le=most)


class BranchTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[[pipeline.branch]]`: tasks that get the same items as those behind another task."""

    behind: Annotated[str, _described("The task whose items they get.")]
    chain: Annotated[list[str], _described("The tasks of the branch, from its beginning to its end.")]
    mode: Annotated[
        Literal["lossless", "sampling"],
        _described(
            "lossless: the pipeline waits for the branch; sampling: the branch gets what it can take, the rest is "
            "missed, and counted."
        ),
    ] = "lossless"


class PipelineTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[pipeline]`: the chain, from source to sink."""

    chain: Annotated[list[str], _described("The tasks from source to sink; each at most once.")]
    prefix: Annotated[str, _described("Prefix of all process variables; --prefix overrides it.")] = "PX16:"
    imports: Annotated[
        list[str], _described("Python modules that define further tasks, looked for in the file's folder, too.")
    ] = []
    branch: Annotated[list[BranchTable], _described("Branches of the chain, each a table of its own, see below.")] = []

    @property
    def graph(self) -> Graph:
        """The chain and its branches."""
        return Graph(tuple(self.chain), tuple(Branch(b.behind, tuple(b.chain), b.mode) for b in self.branch))


class ConditionsTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[run.conditions]`: a site's own process variables that are kept with the data of each run."""

    pvs: Annotated[
        list[str],
        _described("Their names; over PVAccess with `pva://` before it, over Channel Access with `ca://` or nothing."),
    ] = []
    period: Annotated[
        float, _described("Seconds between two values of one that are kept during a run, at least.", least=0.1)
    ] = 1.0
    size: Annotated[
        float,
        _described(
            "MB that the file of a run may have: when it is full, every other value goes, and the period doubles.",
            least=0.01,
        ),
    ] = 10.0
    elements: Annotated[int, _described("Elements of an array that are read and kept at most.", least=1)] = 100


class LimitsTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[ioc.limits]`: what the clients of the server may cost."""

    clients: Annotated[
        int,
        _described(
            "Clients at a time, fewer if too few files may be open (`ulimit -n`); one that has not said anything makes "
            "place for a new one.",
            least=1,
        ),
    ] = 1000
    channels: Annotated[int, _described("Channels of one client.", least=1)] = 100_000
    subscriptions: Annotated[int, _described("Subscriptions of one client.", least=1)] = 100_000
    puts: Annotated[int, _described("Puts of one client that have not completed.", least=1)] = 1000
    message: Annotated[
        int,
        _described(
            "Longest message that is taken, in bytes; never longer than the client's channels need.", least=1024
        ),
    ] = 16 * 1024**2
    backlog: Annotated[
        int,
        _described("Bytes that are held for a client that does not take them before only newest values are.", least=0),
    ] = 1024**2
    patience: Annotated[
        float, _described("Seconds after which only newest values are held for such a client.", least=0)
    ] = 0.05
    silence: Annotated[
        float, _described("Seconds after which a client that has said nothing is disconnected.", least=0.1)
    ] = 30.0
    stall: Annotated[
        float,
        _described(
            "Seconds after which a client that does not read, or whose computer has vanished, is disconnected.",
            least=1,
        ),
    ] = 60.0


class LogTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[ioc.log]`: where the IOC logs what happens."""

    file: Annotated[
        str, _described("File of the log; empty: the journal if stderr goes there, as under systemd, or stderr.")
    ] = ""
    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        _described("From which level on; IOC:LogLevel changes it, --verbose is info."),
    ] = "warning"
    size: Annotated[
        float, _described("MB after which a new file begins; the old one is renamed to .1, .2 ...", least=0.001)
    ] = 10.0
    keep: Annotated[int, _described("How many old files are kept.", least=1)] = 5


class PutLogTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[ioc.put_log]`: where it is written down who has written what."""

    file: Annotated[str, _described("File for the lines; empty: none.")] = ""
    size: Annotated[
        float, _described("MB after which a new file begins; the old one is renamed to .1, .2 ...", least=0.001)
    ] = 10.0
    keep: Annotated[int, _described("How many old files are kept.", least=0)] = 9
    collectors: Annotated[
        list[str],
        _described(
            "Collectors that get the lines: `tcp://host:port` or `udp://host:port`; the port is 7011 if missing."
        ),
    ] = []
    all: Annotated[
        bool, _described("Logs every put; otherwise those by a rule with TRAPWRITE (without `access_file`: every put).")
    ] = False
    room: Annotated[
        int, _described("Lines that wait for a file or collector; more are lost, and counted.", least=1)
    ] = 10_000


class PvaTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[ioc.pva]`: the PVAccess server beside that of Channel Access."""

    on: Annotated[bool, _described("Whether there is one; it needs the extra `pva`.")] = False
    interfaces: Annotated[
        list[str],
        _described("Addresses to listen on; empty: those for Channel Access, or of EPICS_PVAS_INTF_ADDR_LIST, or all."),
    ] = []
    port: Annotated[
        int,
        _described("TCP port; 0: EPICS_PVAS_SERVER_PORT, or 5075. If it is taken, another one.", least=0, most=65535),
    ] = 0
    broadcast_port: Annotated[
        int,
        _described("UDP port that searches come to; 0: EPICS_PVAS_BROADCAST_PORT, or 5076.", least=0, most=65535),
    ] = 0


class RecSyncTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[ioc.recsync]`: telling recceivers, and so ChannelFinder, which process variables there are."""

    on: Annotated[bool, _described("Whether recceivers are told.")] = False
    interfaces: Annotated[
        list[str], _described("Addresses on which announcements are awaited; empty: those of the server.")
    ] = []
    port: Annotated[int, _described("UDP port on which recceivers announce themselves.", least=1, most=65535)] = 5049
    recceivers: Annotated[
        list[str],
        _described("Addresses of the recceivers that are told; empty: of each that announces itself, one at a time."),
    ] = []
    hold_off: Annotated[
        float,
        _described(
            "Longest time between an announcement and the connection in seconds; it is chosen by chance, so that not "
            "all IOCs come at once.",
            least=0,
        ),
    ] = 10.0
    timeout: Annotated[
        float,
        _described("Seconds that a recceiver may take for a step; four times as much from ping to ping.", least=1),
    ] = 20.0
    info: Annotated[
        dict[str, str],
        _described(
            "Further properties of the IOC, such as ENGINEER, LOCATION and IOCNAME; they replace those of the "
            "environment. An empty one is not told."
        ),
    ] = {}
    exclude: Annotated[
        list[str], _described("Patterns with `*` and `?` of names, with the prefix, that are not told.")
    ] = []


class MetricsTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[ioc.metrics]`: a page of numbers for Prometheus."""

    on: Annotated[bool, _described("Whether there is a page, http://ADDRESS:PORT/metrics.")] = False
    address: Annotated[
        str, _described("The address that it is served at; 0.0.0.0: all, for everybody who reaches this computer.")
    ] = "127.0.0.1"
    port: Annotated[int, _described("Its TCP port; each IOC on a computer needs its own.", least=1, most=65535)] = 9816


class IocTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[ioc]`: the server, and limits of the computer it runs on."""

    interfaces: Annotated[
        list[str], _described("Addresses to listen on; empty: those of EPICS_CAS_INTF_ADDR_LIST, or all.")
    ] = []
    state_dir: Annotated[
        str, _described("Where the run number survives a restart; empty: pixieioc/<prefix> in XDG_STATE_HOME.")
    ] = ""
    disk_low: Annotated[float, _described("Free space in GB below which DiskFree_RBV is MINOR.")] = 10.0
    disk_lolo: Annotated[
        float, _described("Free space in GB below which it is MAJOR, and no run that saves can be started.")
    ] = 1.0
    memory_high: Annotated[float, _described("Memory of a task in MB above which its MemUsed_RBV is MINOR.")] = 1000.0
    memory_hihi: Annotated[float, _described("Memory of a task in MB above which its MemUsed_RBV is MAJOR.")] = 2000.0
    access_file: Annotated[
        str,
        _described("EPICS access security file (`.acf`), read again on SIGHUP; empty: everybody may write everything."),
    ] = ""
    access_macros: Annotated[
        list[str], _described("Macros of that file, each as `NAME=value`; `P` is the prefix unless it is one of them.")
    ] = []
    check_client_ip: Annotated[
        bool,
        _described(
            "As asCheckClientIP of EPICS: a client is on the address that it comes from, whatever it says of itself; "
            "so for the access file, whose hosts are looked up, the log of puts, and CmdUser_RBV."
        ),
    ] = False
    pva: Annotated[PvaTable, _described("The PVAccess server, see below.")] = PvaTable()
    put_log: Annotated[PutLogTable, _described("The log of puts, see below.")] = PutLogTable()
    log: Annotated[LogTable, _described("Where the log goes, see below.")] = LogTable()
    recsync: Annotated[RecSyncTable, _described("What ChannelFinder hears, see below.")] = RecSyncTable()
    metrics: Annotated[MetricsTable, _described("A page for Prometheus, see below.")] = MetricsTable()
    limits: Annotated[LimitsTable, _described("What clients may cost, see below.")] = LimitsTable()

    @property
    def servers(self) -> int:
        """To how many servers of EPICS clients can come."""
        return 1 + self.pva.on
