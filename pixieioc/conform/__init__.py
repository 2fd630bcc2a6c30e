"""The rules of run control as a test of a running IOC, over Channel Access and nothing else."""
