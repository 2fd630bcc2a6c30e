"""The rules of commands, of the steps that they are carried out in, and of deadlines."""

from __future__ import annotations

from pixieioc.ioc import run_ending as ending
from pixieioc.ioc import run_events as ev
from pixieioc.ioc.run import Run
from pixieioc.ioc.run_events import Command, Event, Step
from pixieioc.ioc.run_state import BEGIN, LAST_LIMIT, NOBODY, Job, MachineState, Phase, Work
from pixieioc.pipeline.error import Cause, Error

#: The steps of each command that takes a while.
_STEPS: dict[Command, tuple[Step, ...]] = {
    Command.CONFIGURE: (Step.APPLY,),
    Command.ERASE: (Step.ERASE,),
    Command.RESET: (Step.MAKE, Step.REPLACE),
    Command.BOOT: (Step.MAKE, Step.REPLACE, Step.BOOT),
    Command.QUIT: (Step.QUIT,),
}
#: Steps whose lateness is no reason to kill tasks: they are about files.
_HARMLESS = (Step.SAVE_RUN, Step.COUNT)


# -- commands ----------------------------------------------------------------------------------------------------------


def begin(m: MachineState, event: ev.Begin) -> None:
    """The first tasks are made."""
    m.start_wanted = event.start
    m.order(ev.ShowState("Initializing", "making the tasks"))
    m.queue.append(Work(BEGIN, [Step.MAKE], NOBODY))


def start(m: MachineState, put: ev.Put) -> None:
    """A run is accepted at once, or refused at once with all that keeps it from being started."""
    if put.not_ready:
        m.refuse(put, put.not_ready)
        return
    m.run_id += 1
    run = m.run = Run(m.run_id, put.client, m.now, erase=put.pv == "EraseStart")
    run.puts.append((put.number, put.pv, True))
    m.phase = Phase.ACCEPTED
    steps = [Step.SAVE_RUN, Step.MAKE, Step.SETTLE, *([Step.ERASE] if run.erase else []), Step.REPLACE, Step.START]
    m.queue.append(Work("", steps, put.client, run=run))
    m.order(
        ev.ShowCommand("Busy", f"run {run.id} is being started", put.client, put.pv, run.id),
        ev.Log(f"run {run.id} started by {put.client}"),
        ev.Post("RunId_RBV", run.id),
        ev.Post("RunEndReason_RBV", "None"),
        ev.Post("Acquire", 1, force=True),
        ev.Post("Acquire_RBV", "Acquiring"),
        ev.Post("AcquireBusy", "Acquiring"),
        ev.Post("EraseStart", int(run.erase)),
        ev.RunAccepted(run),
        ev.ShowState("Initializing", f"starting run {run.id}"),
        ev.ShowReadiness(),
    )


def refuse(m: MachineState, put: ev.Put) -> None:
    """The command is refused at once, with what is in its way."""
    name = "" if put.command is Command.START else f"{put.command.value}: "
    what = "the IOC is ending" if m.leaving or m.run is None else m.run.describe(m.now)
    if m.run is None and not m.leaving:
        what = Step.KILL.value
    m.refuse(put, f"{name}{what}")


def queue(m: MachineState, put: ev.Put) -> None:
    """The command is carried out in its turn."""
    name = put.command.value
    m.order(ev.Post(name, 1), ev.ShowCommand("Busy", name, put.client, name))
    m.queue.append(Work(name, list(_STEPS[put.command]), put.client, put.number))


def advance(m: MachineState, work: Work) -> None:
    """Begins the next step."""
    step = work.steps.pop(0)
    if step is Step.START:
        m.phase = Phase.STARTING
    limit = m.options.stop_timeout + 1 if step is Step.QUIT else None
    m.perform(step, work, limit)


# -- steps -------------------------------------------------------------------------------------------------------------


def step_done(m: MachineState, event: ev.Done) -> None:
    """A step was carried out: the next one follows. One that was given up, or that ends twice, counts no more."""
    job = m.jobs.pop(event.job, None)
    if job is None:
        return
    if job.work is None:
        _done_without_work(m, job)
    elif job.work.steps:
        advance(m, job.work)
    else:
        m.work = None
        _complete(m, job.work)


def _done_without_work(m: MachineState, job: Job) -> None:
    match job.step, m.phase:
        case Step.COUNT, _:
            ending.finish(m)
        case Step.KILL, Phase.KILLING:
            ending.killed(m)
        case ((Step.KILL | Step.QUIT), Phase.LEAVING):
            ending.left(m)
        case step, phase:
            raise AssertionError(f"{step} cannot end while {phase}")


def _complete(m: MachineState, work: Work) -> None:
    """All steps of something were carried out."""
    if work.run is not None:
        _started(m, work.run)
    elif work.name in ("", BEGIN):
        _ready(m)
        if m.start_wanted and m.phase is Phase.IDLE:
            m.start_wanted = False
            m.order(ev.StartNow())
    else:
        if work.name == Command.QUIT.value:
            text = "the tasks were shut down; the next start makes new ones"
            m.order(ev.TasksGone(), ev.ShowState("Disconnected", text))
        elif work.name in (Command.RESET.value, Command.BOOT.value):
            _ready(m)
        m.order(ev.Post(work.name, 0), ev.ShowReadiness())
        m.order(ev.ShowCommand("OK", f"{work.name} done", work.client, work.name))
        m.answer(work.put)


def _ready(m: MachineState) -> None:
    if m.phase is Phase.IDLE:
        m.order(ev.ShowState("Idle", "ready"), ev.ShowReadiness())


def _started(m: MachineState, run: Run) -> None:
    """The tasks have started; if the end was asked for meanwhile, they hear of it once more."""
    if run.end_asked:
        m.order(ev.EndRun(run.aborted))
    if m.phase is not Phase.STARTING:
        return
    m.phase, run.began = Phase.RUNNING, m.now
    m.order(
        ev.ShowState("Acquire", f"run {run.id}, started by {run.client}, is running"),
        ev.ShowRunCommand(run.id, "OK", f"run {run.id} has started", run.client),
    )


def step_failed(m: MachineState, event: ev.Failed) -> None:
    """A step could not be carried out: its command fails; a run that it was for ends with a failure."""
    job = m.jobs.pop(event.job, None)
    if job is not None:
        _fail(m, job, event.error)


def _fail(m: MachineState, job: Job, error: Error) -> None:
    match job:
        case Job(step=Step.COUNT):
            m.order(ev.RecordError(error))
            ending.finish(m)
        case Job(step=Step.KILL, work=None) if m.phase is Phase.LEAVING:
            ending.left(m, str(error))
        case Job(step=Step.KILL, work=None):
            m.order(ev.RecordError(error))
            ending.killed(m, str(error))
        case Job(step=Step.QUIT, work=None):
            m.perform(Step.KILL, limit=LAST_LIMIT)
        case Job(work=Work(run=Run() as run)):
            m.work = None
            run.fail(error)
            m.order(ev.RecordError(error))
            if m.phase is Phase.ACCEPTED:
                ending.finish(m)
            else:
                ending.limit_end(m)
        case Job(work=Work() as work):
            m.work = None
            m.fail_work(work, str(error))
        case _:
            raise AssertionError(f"{job} cannot fail")


def check_deadlines(m: MachineState, _: ev.Tick) -> None:
    """A step that is late is given up: all tasks are killed, or, if it is about files, only the step fails."""
    for number, job in list(m.jobs.items()):
        if number in m.jobs and m.now >= job.deadline:
            _give_up(m, number, job)
    if m.now >= m.deadline and m.run is not None:
        text = f"the run did not end within {m.options.stop_timeout:g} s"
        m.run.fail(Error(text, cause=Cause.TIMEOUT))
        ending.kill_all(m, text, LAST_LIMIT)


def _give_up(m: MachineState, number: int, job: Job) -> None:
    del m.jobs[number]
    m.order(ev.Cancel(number))
    error = Error(f"{job.step.value} did not end within {job.limit:g} s", cause=Cause.TIMEOUT)
    if job.step in _HARMLESS or job.work is None:
        _fail(m, job, error)
        return
    m.order(ev.RecordError(error))
    if m.run is not None:
        m.run.fail(error)
    ending.kill_all(m, str(error), LAST_LIMIT)


# -- other events ------------------------------------------------------------------------------------------------------


def nothing(m: MachineState, event: Event) -> None:
    """This changes nothing."""


def show_error(m: MachineState, event: ev.TaskFailed) -> None:
    """A task that fails without a run is shown; the next start replaces it."""
    text = str(event.error)
    named = text if text.startswith(f"{event.task}:") else f"{event.task}: {text}"
    m.order(ev.ShowState("Error", named))


def set_options(m: MachineState, event: ev.Options) -> None:
    """The run parameters count from now on."""
    m.options = event
