"""Faults in the tasks of a running IOC at random moments of a run, and what must hold afterwards."""
