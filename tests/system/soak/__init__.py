"""The soak: hours of runs under clients, with faults, after which nothing has grown and nothing is missing."""
