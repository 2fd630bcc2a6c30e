"""The tasks: one module each, found by name through the entry-point group `pixieioc.tasks`."""
