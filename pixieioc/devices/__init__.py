"""Devices for bluesky: a pixieioc as a detector of scans, with ophyd-async (`aio`) or ophyd (`classic`).

What is here runs on a client's machine and knows of the IOC only what its process variables say.
"""
