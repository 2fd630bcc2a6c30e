from __future__ import annotations

from tests.pipeline import toys

__all__ = ["toys"]  # importing it defines the tasks
