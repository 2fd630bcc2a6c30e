"""Data acquisition for XIA Pixie-16 digitizers: a multi-process pipeline and its EPICS soft IOC."""

__version__ = "0.1.0"
