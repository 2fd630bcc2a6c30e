"""Writes docs/states.md from the tables that the code follows."""

from __future__ import annotations

from pathlib import Path

from pixieioc.pipeline.status import PIPELINE_RULES, TASK_RULES, diagram, table

PAGE = f"""\
# Messages and states

Printed by `python docs/make_states.py` from the tables in `pixieioc/pipeline/status.py`, which the code itself follows.

## Tasks

A cell is the status after the message; an illegal message raises an error that names both and changes nothing.
CONFIGURE while RUNNING is for parameters declared live. CONNECT while RUNNING cuts the chain behind the task, when the
one that stood there is lost. FINISHED is the end of the stream from the task before. DATA while PANICKING is swallowed
and counted.

{table(TASK_RULES)}

```mermaid
{diagram(TASK_RULES)}
```

## Pipeline

FINISHED: the last task of the chain has finished. CONNECT while PANICKING: what has failed was replaced. QUIT ends in a
pipeline without tasks, which is WAITING for new ones.

{table(PIPELINE_RULES)}

```mermaid
{diagram(PIPELINE_RULES)}
```
"""

if __name__ == "__main__":
    (Path(__file__).parent / "states.md").write_text(PAGE)
