"""The pipeline of the tests, which records what it hears."""

from pixieioc.testing import Recorder

__all__ = ["Recorder"]
