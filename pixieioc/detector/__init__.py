"""A simulated crate: sources, detectors and modules in, list-mode words out. No files, no sockets, no clock.

`crate` describes (`Crate`, `Module`), `simulation` runs it (`Simulation`); randomness comes in as a numpy Generator.
The modules with compiled code (`hits`, `traces`, `records`, `simulation`) load numba, the others do not.
"""
