"""What the rules give at present: the values that they depend on, and the verdicts that follow."""

from __future__ import annotations

import math

from pixieioc.access.calc import ARGUMENTS
from pixieioc.access.model import Group, Right, Rule, Rules, Verdict


class Conditions:
    """Rules with the values of their inputs, which are not valid until they come."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._arguments = {name: [0.0] * len(ARGUMENTS) for name in rules.groups}
        self._bad = {name: {each.index for each in group.inputs} for name, group in rules.groups.items()}
        #: Those whose expression is true, since an input of it came last: one without inputs never is.
        self._true: set[Rule] = set()

    def keep_values(self, other: Conditions) -> None:
        """Takes over what is known of inputs that other rules have, too: reading them again costs nobody a right."""
        for group in other.rules.groups.values():
            for each in group.inputs:
                if each.index not in other._bad[group.name]:
                    self.put(each.pv, other._arguments[group.name][each.index])

    def put(self, pv: str, value: float | None) -> bool:
        """An input has a new value (None: it is not connected, or not valid). Whether it is one of any group."""
        used = False
        for group in self.rules.groups.values():
            changed = {each.index for each in group.inputs if each.pv == pv}
            if changed:
                used = True
                self._take(group, changed, value)
        return used

    def _take(self, group: Group, changed: set[int], value: float | None) -> None:
        if value is None:
            self._bad[group.name] |= changed
            return
        self._bad[group.name] -= changed
        arguments = self._arguments[group.name]
        for index in changed:
            arguments[index] = value
        for rule in group.rules:
            if rule.calc is not None and rule.calc.inputs & changed:
                holds = 0.99 < rule.calc(arguments, float(rule in self._true)) < 1.01
                (self._true.add if holds else self._true.discard)(rule)

    def verdict(self, group: str, level: int, user: str, host: str) -> Verdict:
        """What a client may do with a field of a level in a group; `host` is a name or an address."""
        of = self.rules.group(group)
        verdict, host = Verdict(Right.NONE, trap=False), host.lower()
        for rule in of.rules:
            if verdict.right == Right.WRITE:
                break
            if rule.right > verdict.right and level <= rule.level and self._applies(of, rule, user, host):
                verdict = Verdict(rule.right, rule.trap)
        return verdict

    def _applies(self, group: Group, rule: Rule, user: str, host: str) -> bool:
        rules = self.rules
        if rule.never:
            return False
        if rule.users and not any(user in rules.users[name] for name in rule.users):
            return False
        if rule.hosts and not any(host in rules.hosts[name] for name in rule.hosts):
            return False
        return rule.calc is None or (rule in self._true and not rule.calc.inputs & self._bad[group.name])

    def value(self, group: str, index: int) -> float:
        """The value of an input; NaN if it has none."""
        return math.nan if index in self._bad[group] else self._arguments[group][index]
