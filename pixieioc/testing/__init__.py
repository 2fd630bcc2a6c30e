"""What a site needs to test its own tasks: one task in this process, a real chain of processes, a running IOC."""

from pixieioc.testing.chain import Recorder, chain
from pixieioc.testing.ioc import RunningIoc, running_ioc
from pixieioc.testing.task import Outcome, run_task

__all__ = ["Outcome", "Recorder", "RunningIoc", "chain", "run_task", "running_ioc"]
