"""The Expert screen: the health of the IOC, its clients, its tasks, its commands and who gave them."""

from __future__ import annotations

from pixieioc.export.screens import bob, style
from pixieioc.export.screens.bob import Box, Display
from pixieioc.export.screens.layout import HEIGHT, Site, panel, reading, screen, setting, states_of
from pixieioc.export.screens.task import file_of

_HEALTH = (
    ("Computer", "HOSTNAME"), ("System", "KERNEL_VERS"), ("Process", "PROCESS_ID"), ("Started", "STARTTOD"),
    ("Up for", "UPTIME"), ("Starts", "START_CNT"), ("Heart beat", "HEARTBEAT"), ("Time of day", "TOD"),
    ("IOC's load", "IOC_CPU_LOAD"), ("All processors", "SYS_CPU_LOAD"), ("IOC's memory", "MEM_USED"),
    ("Free memory", "MEM_FREE"),
)  # fmt: skip
_CLIENTS = (
    ("Clients", "CA_CLNT_CNT"), ("Channels", "CA_CONN_CNT"), ("Merged monitors", "CA_COALESCED_CNT"),
    ("PVs served", "RECORD_CNT"), ("Open files", "FD_CNT"), ("Files left", "FD_FREE"), ("Access", "ACCESS"),
)  # fmt: skip
_COMMANDS = (
    ("Configure", "Configure", ""),
    ("Reset", "Reset", "Replace the tasks that have failed?"),
    ("Quit tasks", "Quit", "Shut all tasks down? The next start makes new ones."),
    ("Kill tasks", "Kill", "Kill all tasks at once? Data in the chain are lost, and a run fails."),
    ("Restart IOC", "IOC:SYSRESET", "End the IOC? Its supervisor starts it again; without one it stays away."),
)  # fmt: skip
_TASK_COLUMNS = (
    ("Process", "ProcessId_RBV"), ("Processor", "CpuLoad_RBV"), ("Memory", "MemUsed_RBV"),
    ("Last beat", "HeartBeatAge_RBV"), ("Errors", "ErrorCount_RBV"),
)  # fmt: skip
#: How many tasks can have high rows, and how many fit at all.
_FEW_TASKS, _TASKS = 7, 9


def expert_screen(site: Site) -> str:
    """The file's text; it is as high as the chain is long."""
    tasks = max(_TASKS, len(site.description.tasks))
    display, room = screen(site, "Expert", "expert.bob", HEIGHT + (tasks - _TASKS) * 30)
    upper, lower = Box(room.x, room.y, room.width, 530), Box(room.x, room.y + 538, room.width, room.height - 538)
    health, clients, commands = upper.columns(34, 26, 40)
    _numbers(site, display, health, "IOC", _HEALTH, 0.3)
    _numbers(site, display, clients, "Channel Access", _CLIENTS, 0.5)
    _operate(site, display, commands)
    left, right = lower.columns(50, 50)
    _tasks(site, display, left)
    display.add(bob.log_text(panel(display, right, "Last commands, the latest first"), site("CmdLog_RBV")))
    return display.text()


def _numbers(
    site: Site, display: Display, box: Box, heading: str, shown: tuple[tuple[str, str], ...], share: float
) -> None:
    inside = panel(display, box, heading)
    for row, (caption, name) in zip(inside.rows(34, 6), shown, strict=False):
        info = site.info(f"IOC:{name}")
        if name == "ACCESS":
            left, right = row.columns(share, 1 - share)
            right = Box(right.x, right.y, right.width, inside.y + inside.height - right.y)
            display.add(bob.label(left, caption, style.TEXT, style.FAINT, tip=info.doc))
            display.add(bob.value(right, site.of(info), style.SMALL, text=True, wrap=True))
            continue
        reading(display, row, caption, site.of(info), share, text=info.is_text, tip=info.doc)


def _operate(site: Site, display: Display, box: Box) -> None:
    inside = panel(display, box, "Settings and commands")
    rows = inside.rows(38, 8)
    shares = (44, 28, 28)
    setting(site, display, next(rows), "Time to stop", "StopTimeout", shares)
    setting(site, display, next(rows), "Wait for pipeline", "WaitForPipeline", shares)
    setting(site, display, next(rows), "Fail put on error", "FailPutOnError", shares)
    for caption, name, states in (
        ("Settings wait for others", "ConfigDirty_RBV", ("No", "Yes")),
        ("Settings are locked", "ConfigLocked_RBV", ("No", "Yes")),
    ):
        left, right = next(rows).columns(44, 57)
        colors = (style.CALM, style.PASSING)
        display.add(bob.label(left, caption, style.TEXT, style.FAINT))
        display.add(bob.lamp(right, site(name), list(zip(states, colors, strict=True))))
    caption, saved, restored = next(rows).columns(44, 28, 28)
    tip = "Whether settings are being saved, and whether those from before the restart were restored."
    display.add(bob.label(caption, "Settings saved, restored", style.TEXT, style.FAINT, tip=tip))
    for box, name in ((saved, "SR_status"), (restored, "SR_rebootStatus")):
        display.add(bob.lamp(box, site(name), states_of(site.info(name))))
    area = next(rows)
    for column, (text, name, confirm) in zip(area.columns(*[1] * len(_COMMANDS)), _COMMANDS, strict=True):
        hurts = name in ("Quit", "Kill", "IOC:SYSRESET")
        color = style.HALT if hurts else style.INK
        display.add(
            bob.command(
                Box(column.x, area.y, column.width, 46), text, site(name), style.SMALL_BOLD, color, confirm=confirm
            )
        )
    next(rows)
    left, right = next(rows).columns(30, 70)
    display.add(bob.lamp(left, site("CmdStatus_RBV"), states_of(site.info("CmdStatus_RBV"))))
    display.add(bob.value(right, site("CmdUser_RBV"), text=True))
    top = left.y + left.height + 8
    rest = Box(inside.x, top, inside.width, inside.y + inside.height - top)
    display.add(bob.value(rest, site("CmdMessage_RBV"), text=True, wrap=True))


def _tasks(site: Site, display: Display, box: Box) -> None:
    inside = panel(display, box, "Tasks")
    rows = inside.rows(32, 6) if len(site.description.tasks) <= _FEW_TASKS else inside.rows(26, 4)
    shares = (30, 22, 14, 14, 16, 16, 10)
    headings = ("Task", "State", *(caption for caption, _ in _TASK_COLUMNS))
    for column, heading in zip(next(rows).columns(*shares), headings, strict=True):
        display.add(bob.label(column, heading, style.SMALL, style.FAINT))
    for row, task in zip(rows, site.description.tasks, strict=False):
        name, state, *others = row.columns(*shares)
        display.add(bob.opener(name, task.name, file_of(task), None, style.SMALL_BOLD))
        status = f"{task.name}:Status"
        display.add(bob.lamp(state, site(status), states_of(site.info(status)), style.SMALL_BOLD))
        for column, (_, what) in zip(others, _TASK_COLUMNS, strict=True):
            display.add(bob.value(column, site(f"{task.name}:{what}"), style.SMALL))
