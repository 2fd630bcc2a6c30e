"""The rules of how a run ends, how tasks are killed, and how the IOC ends."""

from __future__ import annotations

from math import inf

from pixieioc.ioc import run_events as ev
from pixieioc.ioc.run import Run
from pixieioc.ioc.run_events import Command, Step
from pixieioc.ioc.run_state import GRACE, KILLED, LAST_LIMIT, LEAVE_GRACE, LIMITS, MachineState, Phase
from pixieioc.ioc.text import duration
from pixieioc.pipeline.error import Cause, Error
from pixieioc.pvinfo.states import EndReason

_OPERATOR_STOP: EndReason = "Operator stop"


# -- the end is asked for ----------------------------------------------------------------------------------------------


def nothing_to_stop(m: MachineState, put: ev.Put) -> None:
    """Stop while stopped succeeds and does nothing."""
    name = put.command.value
    m.order(ev.Post("Acquire", 0, force=True), ev.Post(name, 0, force=True))
    m.order(ev.ShowCommand("OK", f"{name}: there is no run", put.client, put.pv))
    m.answer(put.number)


def stop_unstarted(m: MachineState, put: ev.Put) -> None:
    """The run ends at once, since no task has begun it; tasks that are being made come up for the next one."""
    run = _join(m, put)
    _ask(m, run, discard=put.command is Command.ABORT, reason=_reason(put))
    give_up_start(m)
    finish(m)


def end(m: MachineState, put: ev.Put) -> None:
    """The run is ended: Stop has the tasks drain, Abort has them discard what they hold; the put waits for the end."""
    _join(m, put)
    end_run(m, discard=put.command is Command.ABORT, reason=_reason(put))


def join(m: MachineState, put: ev.Put) -> None:
    """The run is over but for formalities; the put waits for its end."""
    _join(m, put)


def stop_killed(m: MachineState, put: ev.Put) -> None:
    """The tasks are being killed: a run is over with that, and without one there is nothing to stop."""
    if m.run is None:
        nothing_to_stop(m, put)
    else:
        _join(m, put)


def end_at_preset(m: MachineState, event: ev.PresetReached) -> None:
    """The run has what it was to have: it is ended as by Stop."""
    if m.run is not None and event.run == m.run.id:
        end_run(m, discard=False, reason="Preset")


def _join(m: MachineState, put: ev.Put) -> Run:
    assert m.run is not None
    name = put.command.value
    m.run.puts.append((put.number, put.pv, False))
    m.order(ev.ShowCommand("Busy", f"{name}: run {m.run.id} is being ended", put.client, put.pv, m.run.id))
    m.order(ev.Post(name, 1))
    return m.run


def _reason(put: ev.Put) -> EndReason:
    return "Abort" if put.command is Command.ABORT else _OPERATOR_STOP


def _ask(m: MachineState, run: Run, *, discard: bool, reason: EndReason) -> bool:
    """Notes that the end was asked for; a stop may still become an abort, not the other way. False: that is no news."""
    if run.aborted or (run.end_asked and not discard):
        return False
    run.reason = reason if discard else run.reason or reason
    run.end_asked, run.aborted = True, discard
    m.order(ev.ShowState("Aborting" if discard else "Readout", f"ending run {run.id}: {reason}"))
    return True


def end_run(m: MachineState, *, discard: bool, reason: EndReason) -> None:
    """Has the tasks end the run, within StopTimeout."""
    assert m.run is not None
    if _ask(m, m.run, discard=discard, reason=reason):
        m.order(ev.EndRun(discard))
    limit_end(m)


def limit_end(m: MachineState) -> None:
    """From now on the end of the run is due."""
    m.phase = Phase.ENDING
    if m.deadline == inf:
        m.deadline = min(m.now + m.options.stop_timeout + GRACE, m.leave_by)


# -- the run ends ------------------------------------------------------------------------------------------------------


def source_done(m: MachineState, event: ev.SourceDone) -> None:
    """The source takes no more data; the tasks behind it drain, as long as something moves."""
    run = m.run
    if run is None or event.run != run.id or run.source_ended is not None:
        return
    run.source_ended = m.now
    if event.preset:
        run.reason = run.reason or "Preset"
    m.phase = Phase.ENDING
    if not run.end_asked and not run.failure:
        text = f"run {run.id}: the source has ended, the tasks are finishing"
        m.order(ev.ShowState("Saving" if event.saving else "Readout", text))
    if not m.options.wait_for_pipeline:
        early = [put for put in run.puts if put[2]]
        run.puts = [put for put in run.puts if not put[2]]
        _answer_all(m, run, early)


def task_failed(m: MachineState, event: ev.TaskFailed) -> None:
    """The run ends badly: the pipeline has the other tasks flush what they hold, within StopTimeout."""
    assert m.run is not None
    m.run.fail(event.error)
    limit_end(m)


def at_rest(m: MachineState, event: ev.AtRest) -> None:
    """The tasks have closed their files and reported their final counters; FileNumber follows after a good run."""
    run = m.run
    if run is None or event.run != run.id or not m.awaits_rest:
        return
    if event.error is not None:
        run.fail(event.error)
    limit = min(LIMITS[Step.COUNT], max(0.1, m.deadline + LAST_LIMIT - m.now))
    m.phase, m.deadline = Phase.CLOSING, inf
    if run.failure:
        finish(m)
    else:
        m.perform(Step.COUNT, limit=limit)


def fail_unstarted(m: MachineState, event: ev.OwnFault) -> None:
    """A fault of the IOC's own ends the run, which no task has begun, at once."""
    _fail(m, event.text)
    give_up_start(m)
    finish(m)


def fail_run(m: MachineState, event: ev.OwnFault) -> None:
    """A fault of the IOC's own ends the run with a failure; the tasks drain as after Stop, the data are kept."""
    run = _fail(m, event.text)
    assert run.reason, "it has failed"
    end_run(m, discard=False, reason=run.reason)


def fail_closing(m: MachineState, event: ev.OwnFault) -> None:
    """A fault of the IOC's own at the end of a run: the run ends with a failure now."""
    _fail(m, event.text)
    m.cancel_jobs()
    finish(m)


def _fail(m: MachineState, text: str) -> Run:
    assert m.run is not None
    m.run.fail(Error(text))
    return m.run


def give_up_start(m: MachineState) -> None:
    """Nobody waits for the preparation of this run any more: what has begun goes on, the rest is left out."""
    m.queue = [work for work in m.queue if work.run is None]
    if m.work is not None and m.work.run is not None:
        m.work.run, m.work.steps = None, []


def finish(m: MachineState) -> None:
    """The run is over: everything is posted in the order that scripts rely on, then its puts are answered."""
    run = m.run
    assert run is not None
    run.reason = run.reason or "Source end"
    why = f"run {run.id} has ended: {run.reason}{f': {run.failure}' if run.failure else ''}"
    outcome = "OK" if not run.failure else "Timeout" if run.reason == "Timeout" else "Failed"
    m.run, m.phase, m.deadline = None, Phase.IDLE, inf
    m.order(
        ev.RunEnded(run, why),
        ev.Post("RunEndReason_RBV", run.reason),
        ev.ShowRunCommand(run.id, outcome, why),
        ev.Log(f"{why}, after {duration(run.elapsed(m.now))}"),
        ev.ShowState("Aborted" if run.aborted else "Error" if run.failure else "Idle", why),
        ev.ShowReadiness(),
        *(ev.Post(name, 0) for name in ("Stop", "Abort", "EraseStart")),
        ev.Post("Acquire_RBV", "Done"),
        ev.Post("AcquireBusy", "Done"),
        ev.Post("Acquire", 0),
    )
    _answer_all(m, run, run.puts)
    if m.leaving:
        leave(m)


def _answer_all(m: MachineState, run: Run, puts: list[tuple[int, str, bool]]) -> None:
    for number, pv, _ in puts:
        m.answer(number, f"run {run.id}: {run.failure}" if run.failure else "", pv)


# -- killing -----------------------------------------------------------------------------------------------------------


def kill(m: MachineState, put: ev.Put) -> None:
    """All tasks are killed at once, whatever is going on; the run and all other commands fail."""
    _note_kill(m, put)
    if m.run is not None:
        m.run.fail(Error(KILLED, cause=Cause.LOST))
        m.run.reason, m.run.end_asked, m.run.aborted = "Abort", True, True
    kill_all(m, KILLED)


def join_kill(m: MachineState, put: ev.Put) -> None:
    """The tasks are being killed already; the put waits for that."""
    _note_kill(m, put)


def kill_instead(m: MachineState, put: ev.Put) -> None:
    """The tasks are killed instead of being shut down."""
    _note_kill(m, put)
    if not m.performing(Step.KILL):
        m.cancel_jobs()
        m.perform(Step.KILL)


def _note_kill(m: MachineState, put: ev.Put) -> None:
    m.kills.append((put.number, put.client))
    m.order(ev.Post("Kill", 1), ev.ShowCommand("Busy", "Kill: killing all tasks", put.client, put.pv))


def kill_all(m: MachineState, why: str, limit: float | None = None) -> None:
    """Gives up whatever is going on and has all tasks killed; commands fail because of `why`."""
    m.drop_works(why)
    m.phase, m.deadline = Phase.KILLING, inf
    m.perform(Step.KILL, limit=limit)


def killed(m: MachineState, problem: str = "") -> None:
    """No task is left, or (`problem`) some processes do not end: the run is over, and so is every Kill."""
    ordered = bool(m.kills) or m.run is None
    m.order(ev.TasksGone())
    if m.run is not None:
        finish(m)
    else:
        m.phase = Phase.IDLE
    if ordered and not m.leaving:
        m.order(ev.ShowState("Disconnected", f"{KILLED}; the next start makes new ones"))
    _answer_kills(m, problem)
    m.order(ev.ShowReadiness())
    if m.leaving and m.phase is not Phase.LEFT:
        leave(m)


def _answer_kills(m: MachineState, problem: str) -> None:
    for put, client in m.kills:
        text = f"Kill: {problem or f'{KILLED}; the next start makes new ones'}"
        m.order(ev.Post("Kill", 0), ev.ShowCommand("Failed" if problem else "OK", text, client, "Kill"))
        m.answer(put, problem and text)
    m.kills.clear()


# -- the IOC ends ------------------------------------------------------------------------------------------------------


def prepare_to_leave(m: MachineState, _: ev.Signal) -> None:
    """The IOC ends: a run is ended as by Stop, then the tasks are shut down; a second signal ends it at once."""
    if m.leaving:
        leave_at_once(m)
        return
    m.leaving, m.leave_by = True, m.now + m.options.stop_timeout + LEAVE_GRACE
    match m.phase:
        case Phase.IDLE:
            leave(m)
        case Phase.ACCEPTED if m.run is not None:
            _ask(m, m.run, discard=False, reason=_OPERATOR_STOP)
            give_up_start(m)
            finish(m)
        case Phase.STARTING | Phase.RUNNING | Phase.ENDING:
            end_run(m, discard=False, reason=_OPERATOR_STOP)
        case _:  # the end of what is going on is near, and leads here
            pass


def leave(m: MachineState) -> None:
    """Shuts the tasks down, or kills them if they are busy with a command."""
    if m.phase is Phase.LEFT:
        return
    busy = m.work is not None
    m.drop_works("the IOC is ending")
    m.phase, m.deadline = Phase.LEAVING, inf
    if m.gone:
        left(m)
    elif busy:
        m.perform(Step.KILL, limit=LAST_LIMIT)
    else:
        m.perform(Step.QUIT, limit=max(0.1, m.leave_by - m.now))


def left(m: MachineState, problem: str = "") -> None:
    """Nothing is left to be done but to end."""
    m.phase, m.deadline = Phase.LEFT, inf
    m.cancel_jobs()
    _answer_kills(m, problem)
    m.order(ev.Leave())


def leave_at_once(m: MachineState) -> None:
    """Ends the IOC without closing anything properly; the tasks are killed."""
    m.phase, m.deadline = Phase.LEFT, inf
    m.cancel_jobs()
    for put in sorted(m.open_puts):
        m.answer(put, "the IOC is ending")
    m.order(ev.Leave(at_once=True))
