"""Whether a host can run an IOC well: facts are gathered, and judged one by one."""
