"""Who may write what: the access security file."""

from __future__ import annotations

from collections.abc import Mapping

from pixieioc.export.text import GENERATED
from pixieioc.pvinfo.description import Description
from pixieioc.pvinfo.model import Access

#: Access groups, what they are for, and whose accounts may write: the later may do all that the earlier may.
GROUPS: Mapping[Access, tuple[str, tuple[str, ...]]] = {
    "OP": ("run control, presets, acknowledging", ("operators", "experts", "engineers")),
    "EX": ("settings", ("experts", "engineers")),
    "EN": ("ending the tasks and the IOC", ("engineers",)),
}
ROLES = ("operators", "experts", "engineers")


def access_security(description: Description) -> str:
    """`pixieioc.acf`: the groups of the records' ASG. Its lists of accounts are a site's to fill in."""
    used = {pv.access for pv in description.pvs.values()}
    lines = [
        f"# {GENERATED}",
        "# A site copies it and puts its accounts into the lists below; HAG(...) in a rule also asks for the computer.",
        *(f"UAG({role}) {{ {role.removesuffix('s')} }}" for role in ROLES),
        "# What has no group of its own can be read only.",
        "ASG(DEFAULT) {\n    RULE(1, READ)\n}",
    ]
    for group, (purpose, roles) in GROUPS.items():
        if group in used:
            lines.append(f"# {purpose[0].upper()}{purpose[1:]}.")
            who = "\n".join(f"        UAG({role})" for role in roles)
            lines.append(f"ASG({group}) {{\n    RULE(1, READ)\n    RULE(1, WRITE) {{\n{who}\n    }}\n}}")
    return "\n".join(lines) + "\n"
