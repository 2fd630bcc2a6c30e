"""Files to numbers, spectra and files of events, through the tasks of the pipeline; without EPICS."""
