"""Who may do what, while the IOC runs: the access file, the hosts and the values that its rules depend on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import get_args

from pixieioc.access import Conditions, Right, Rules, parse
from pixieioc.access.model import DEFAULT, BadRules, Group, Rule
from pixieioc.config import Config, ConfigError
from pixieioc.config_ioc import macros_of
from pixieioc.ioc.access_inputs import Inputs
from pixieioc.ioc.ca import hosts
from pixieioc.ioc.ca.view import View
from pixieioc.ioc.records import Client, PutRefused, Pvs, Record
from pixieioc.ioc.records.rights import ALL, Rights
from pixieioc.ioc.records.security import Security
from pixieioc.ioc.worker import answered
from pixieioc.pvinfo.access import ACCESS_STATES
from pixieioc.pvinfo.model import Access

log = logging.getLogger(__name__)

#: The groups of process variables that can be written.
GROUPS: tuple[str, ...] = tuple(group for group in get_args(Access) if group)
OPEN, IN_FORCE, UNKNOWN_HOST, NO_INPUT, WRONG = ACCESS_STATES
#: Seconds that the start waits for the addresses of hosts, and after which those not known are looked up again.
_LOOK_UP, _AGAIN = 2.0, 30.0


def read_rules(config: Config) -> Rules | None:
    """What the access file of a configuration says, None: there is none; ConfigError says what is wrong, and where."""
    file = config.access_file
    return None if file is None else read_file(file, macros_of(config.ioc, config.prefix))


def read_file(file: Path, macros: Mapping[str, str]) -> Rules:
    """What a file says; ConfigError has everything that is wrong with it, each with file and line."""
    try:
        return parse(_text(file.read_bytes()), macros)
    except BadRules as error:
        said = tuple(f"{file}:{line}: {text}" for line, text in error.problems)
    except (OSError, UnicodeError) as error:
        said = (f"{file}: {getattr(error, 'strerror', None) or error}",)
    raise ConfigError("; ".join(said), problems=said)


def summary(rules: Rules | None, groups: Iterable[str] = GROUPS) -> str:
    """Who may write, by group: what an operator needs when a put was refused."""
    if rules is None:
        return "everybody may write everything"
    return "; ".join(f"{group}: {_who(rules, rules.group(group))}" for group in groups)


def _who(rules: Rules, group: Group) -> str:
    return ", or ".join(_whom(rules, rule) for rule in group.rules if rule.right == Right.WRITE) or "nobody"


def _whom(rules: Rules, rule: Rule) -> str:
    parts = [_members(rules.users, rule.users) or "everybody"]
    if rule.hosts:
        parts.append(f"on {_members(rules.hosts, rule.hosts)}")
    if rule.calc is not None:
        parts.append(f"if {rule.calc.text}")
    return "nobody" if rule.never else " ".join(parts)


def _members(groups: Mapping[str, frozenset[str]], names: Iterable[str]) -> str:
    return " ".join(f"{name} ({', '.join(sorted(groups[name])) or 'nobody'})" for name in names)


class AccessSecurity:
    """The rules in force. `find` gives a process variable of this IOC.

    `changed` is called when rights may have, `regrouped` when those to a record may have, which is in another group.
    """

    def __init__(
        self, config: Config, pvs: Pvs, find: Callable[[str], View | None], changed: Callable[[], None],
        regrouped: Callable[[Record, Security], None],
    ) -> None:  # fmt: skip
        self._config = config
        self._pvs = pvs
        self._changed, self._regrouped = changed, regrouped
        #: Groups that clients have given to records.
        self._given: set[str] = set()
        for record in pvs.values():
            record.on_regroup = self._regroup
        self._wrong = ""  # with the file, so that the rules of before are in force
        self._written: Rules | None = None  # as the file has them
        self._conditions: Conditions | None = None
        self._addresses: dict[str, list[str]] = {}
        self._looking_up: asyncio.Task[None] | None = None
        self._inputs = Inputs(find, self._input)
        self._reading = asyncio.Lock()
        if (rules := read_rules(config)) is not None:
            self._take(rules)
        pvs.on_put("IOC:ReadAccess", self._read_again)
        self._post()

    def rights(self, security: Security, client: Client) -> Rights:
        """What a client may do. Whoever may not write has a put logged if those of others are."""
        if (conditions := self._conditions) is None:
            return ALL
        host = client.address.rpartition(":")[0] if self._config.ioc.check_client_ip else client.host
        writing = conditions.verdict(security.writing, security.level, client.user, host)
        reading = writing
        if security.reading != security.writing:
            reading = conditions.verdict(security.reading, security.level, client.user, host)
        may_write = writing.right == Right.WRITE
        trap = writing.trap if may_write else conditions.rules.group(security.writing).traps
        return Rights(reading.right >= Right.READ, may_write, trap)

    async def start(self) -> None:
        """Waits a little for the addresses of hosts, if the rules want them."""
        if self._looking_up is not None:
            await asyncio.wait({self._looking_up}, timeout=_LOOK_UP)

    async def read(self) -> None:
        """Takes over what the file says now; ConfigError, and an alarm, if that cannot be used: all stays as it is."""
        try:
            async with self._reading:  # what is read first is taken over first
                rules = await answered(lambda: read_rules(self._config))
        except (ConfigError, OSError) as error:
            silent = isinstance(error, OSError)
            self._wrong = f"{self._config.access_file}: {error.strerror}" if silent else str(error)
            log.error("the access rules stay as they are: %s", self._wrong)
            self._post()
            raise ConfigError(self._wrong) from error
        self._wrong = ""
        if rules is not None:
            self._take(rules)
        self._post()
        self._changed()

    def _regroup(self, record: Record, before: Security) -> None:
        """A client has given a record another access group."""
        now, known = record.group or DEFAULT, self._written.groups if self._written is not None else ()
        unknown = "" if now in known else f"; the access file does not define {now}: the rules of {DEFAULT} hold"
        where = unknown if self._written is not None else "; there is no access file: everybody may write"
        log.warning("%s: its access group is %s now, it was %s%s", record.name, now, before.reading, where)
        self._given.add(now)
        self._post()
        self._regrouped(record, before)

    def close(self) -> None:
        """Looks for nothing more."""
        if self._looking_up is not None:
            self._looking_up.cancel()
        self._inputs.close()

    def _read_again(self, value: int, client: Client) -> Awaitable[None] | None:
        return self._ordered(client) if value else None

    async def _ordered(self, client: Client) -> None:
        log.warning("%s has the access file read again", client)
        if self._config.access_file is None:
            raise PutRefused("there is no access file: ioc.access_file is empty")
        try:
            await self.read()
        except ConfigError as error:
            raise PutRefused(str(error)) from None
        finally:
            self._pvs.post("IOC:ReadAccess", 0, force=True)

    def _take(self, rules: Rules) -> None:
        for line, text in rules.warnings:
            log.warning("%s:%d: %s", self._config.access_file, line, text)
        self._written = rules
        if self._by_address:
            self._look_up(rules)
        self._replace(self._with_addresses(rules))
        self._inputs.want(rules.all_inputs)

    @property
    def _by_address(self) -> bool:
        """Whether the addresses of hosts count: over PVAccess, a client is known by nothing else."""
        return self._config.ioc.check_client_ip or self._config.ioc.pva.on

    def _with_addresses(self, rules: Rules) -> Rules:
        """Rules as clients are compared with them."""
        if self._config.ioc.check_client_ip:
            return rules.by_address(self._addresses)
        return rules.with_addresses(self._addresses) if self._by_address else rules

    def _replace(self, rules: Rules) -> None:
        conditions = Conditions(rules)
        if self._conditions is not None:
            conditions.keep_values(self._conditions)
        self._conditions = conditions

    # -- what the rules depend on -------------------------------------------------------------------------------------

    def _input(self, pv: str, value: float | None) -> None:
        """An input has a value, or none any more."""
        if self._conditions is not None and self._conditions.put(pv, value):
            self._post()
            self._changed()

    def _look_up(self, rules: Rules) -> None:
        if self._looking_up is not None:
            self._looking_up.cancel()
        self._looking_up = asyncio.get_running_loop().create_task(self._resolve(rules))

    async def _resolve(self, rules: Rules) -> None:
        """Finds the addresses of all hosts, and goes on with those that no name server knows yet."""
        unknown, again = rules.all_hosts, False
        while True:
            known = await hosts.resolve(unknown, "hosts of the access file", quiet=again)
            again = True
            self._addresses |= known
            if self._written is rules and known:
                self._replace(self._with_addresses(rules))
                self._post()
                self._changed()
            unknown -= known.keys()
            if not unknown:
                return
            await asyncio.sleep(_AGAIN)

    # -- what is shown ------------------------------------------------------------------------------------------------

    def _post(self) -> None:
        pvs, rules = self._pvs, self._written
        missing = self._inputs.missing
        unknown = sorted(rules.all_hosts - self._addresses.keys()) if rules and self._by_address else []
        state, message = OPEN if rules is None else IN_FORCE, ""
        if self._wrong:
            state, message = WRONG, self._wrong
        elif unknown:
            state, message = UNKNOWN_HOST, f"no address is known of {', '.join(unknown)}"
        elif missing:
            state, message = NO_INPUT, f"no valid value of {', '.join(missing)}"
        pvs.post("IOC:AccessState_RBV", state)
        pvs.post("IOC:AccessMessage_RBV", _cut(message, 500))
        groups = (*GROUPS, *sorted(self._given.difference(GROUPS)))
        pvs.post("IOC:ACCESS", _cut(summary(rules, groups), 4000))


def _cut(text: str, most: int) -> str:
    return text.encode()[:most].decode(errors="ignore")


def _text(content: bytes) -> str:
    """UTF-8, or what older files have in their comments: to EPICS Base a file is bytes."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")
