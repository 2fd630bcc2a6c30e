"""Who may write what: the access security file."""

from __future__ import annotations

from collections.abc import Mapping

from pixieioc.export.text import GENERATED
from pixieioc.pvinfo.description import Description
from pixieioc.pvinfo.model import Access

#: Access groups, what they are for, and whose accounts may write: the later may do all that the earlier may.
GROUPS: Mapping[Access, tuple[str, tuple[str, ...]]] = {
    "OP": ("run control, presets, acknowledging alarms", ("operators", "experts", "engineers")),
    "EX": ("settings, and fields such as alarm limits", ("experts", "engineers")),
    "EN": ("ending the tasks and the IOC", ("engineers",)),
}
ROLES = ("operators", "experts", "engineers")


def access_security(description: Description) -> str:
    """`pixieioc.acf`: the groups of the records' ASG. Its lists of accounts are a site's to fill in."""
    lines = [
        f"# {GENERATED}",
        "# A site copies it, puts its accounts into the lists below, and names the copy as access_file in [ioc].",
        f'# HAG(name) in a rule asks for the computer, too, INPA({description.prefix}Acquire) CALC("A=0") for a value.',
        "# What is written by a rule with TRAPWRITE is logged.",
        *(f"UAG({role}) {{ {role.removesuffix('s')} }}" for role in ROLES),
        "# What has no group of its own can be read only.",
        "ASG(DEFAULT) {\n    RULE(1, READ)\n}",
    ]
    for group, (purpose, roles) in GROUPS.items():
        who = ", ".join(roles)
        lines.append(f"# {purpose[0].upper()}{purpose[1:]}.")
        rule = f"RULE(1, WRITE, TRAPWRITE) {{\n        UAG({who})\n    }}"
        lines.append(f"ASG({group}) {{\n    RULE(1, READ)\n    {rule}\n}}")
    return "\n".join(lines) + "\n"
