"""All rules of run control, and which checks each of them has: the one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pixieioc.conform import runs, settings, tasks
from pixieioc.conform.target import Target

RULES = {
    1: "Put completion",
    2: "A run that ends badly",
    3: "Abort in the middle",
    4: "Start while running",
    5: "Stop while stopped",
    6: "Configuration",
    7: "Quit, Kill, Reset",
    8: "Two writers",
    9: "Client loss",
    10: "One cycle, one time stamp",
    11: "Errors latch",
    12: "Truth about a command",
    13: "Every run is identifiable",
    14: "A start says why not",
    15: "The IOC going away",
    16: "No command waits for ever",
    17: "Real and live time are the source's",
    18: "Long work is not a hang",
}


@dataclass(frozen=True)
class Check:
    """A check of a rule."""

    rule: int
    run: Callable[[Target], None]

    @property
    def name(self) -> str:
        """That of its function."""
        return self.run.__name__

    @property
    def promise(self) -> str:
        """What a client can rely on."""
        return (self.run.__doc__ or "").strip()


CHECKS = tuple(
    Check(rule, run)
    for rule, run in (
        (1, runs.put_ends_with_the_run),
        (1, runs.start_is_posted_at_once_and_the_end_in_order),
        (1, runs.files_are_complete_when_the_put_is_answered),
        (2, runs.bad_end_fails_the_put),
        (2, runs.lost_task_fails_the_put_and_the_next_run_works),
        (2, runs.a_site_may_want_good_answers),
        (3, runs.stop_drains_and_answers_both),
        (3, runs.abort_answers_both),
        (4, runs.second_start_is_refused_and_disturbs_nothing),
        (5, runs.stop_without_a_run_does_nothing),
        (6, settings.setpoint_is_used_when_its_put_is_answered),
        (6, settings.impossible_setpoint_goes_back_and_says_the_range),
        (6, settings.values_that_must_fit_wait_for_each_other),
        (6, settings.run_locks_what_is_not_live),
        (6, settings.whole_configuration_is_all_or_nothing),
        (7, settings.quit_is_refused_in_a_run),
        (7, settings.start_after_quit_and_kill_makes_tasks),
        (7, settings.reset_leaves_panicking),
        (8, settings.later_of_two_starts_is_refused),
        (8, settings.puts_take_effect_in_order),
        (9, runs.run_outlives_its_client),
        (10, tasks.values_of_one_report_have_one_stamp),
        (11, tasks.error_latches_until_it_is_acknowledged),
        (12, settings.outcome_of_a_command_is_always_told),
        (13, runs.every_run_has_a_number),
        (14, runs.start_that_is_not_ready_says_why),
        (14, runs.start_that_is_ready_takes_data_within_a_second),
        (15, tasks.end_of_the_ioc_is_seen),
        (16, runs.kill_works_at_any_moment),
        (17, runs.times_are_those_of_the_source),
        (18, tasks.busy_time_is_shown_without_alarm),
        (18, tasks.long_work_is_no_hang),
    )
)
