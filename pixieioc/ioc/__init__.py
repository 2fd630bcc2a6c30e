"""The IOC: EPICS lives here and nowhere else."""
