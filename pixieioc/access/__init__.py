"""Who may do what: EPICS access security files as data, and what follows from them. No files, sockets or clock."""

from __future__ import annotations

from pixieioc.access.conditions import Conditions
from pixieioc.access.model import BadRules, Group, Input, Problem, Right, Rule, Rules, Verdict
from pixieioc.access.parse import parse

__all__ = ["BadRules", "Conditions", "Group", "Input", "Problem", "Right", "Rule", "Rules", "Verdict", "parse"]
