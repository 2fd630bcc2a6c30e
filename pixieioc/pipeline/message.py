"""The words of the pipeline: what its processes say to each other, as plain data."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar

T = TypeVar("T")


class _Message(Generic[T]):
    """A message with arguments; prints as its emoji."""

    emoji: ClassVar[str] = ""
    __slots__ = ("args",)

    def __init__(self, *args: Any) -> None:
        self.args = args

    @property
    def payload(self) -> T:
        """The first argument, what the message is about."""
        return self.args[0]

    def __str__(self) -> str:
        return self.emoji

    def __repr__(self) -> str:
        return f"Message.{type(self).__name__}({', '.join(map(repr, self.args))})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, _Message) and self.args == other.args

    __hash__ = None  # type: ignore[assignment]  # arguments are dicts


class Message:
    """Stores the pipeline's messages: a class for each that has arguments, a constant for each that has none."""

    class CONFIGURE(_Message[dict[str, Any]]):
        """New values of parameters, by name."""

        emoji = "ℹ️"

    class CONNECT(_Message[str]):
        """`CONNECT(address_pull, is_start, is_final)`: a task's place in the chain."""

        emoji = "🔁"

    class DATA(_Message[Any]):
        """What one task hands to the next."""

        emoji = "📶"

    class ERROR(_Message[dict[str, Any]]):
        """A failure: text, task, traceback, time, run, cause."""

        emoji = "🆘"

    class PRINT(_Message[dict[str, Any]]):
        """Lines that a task printed: text, time."""

        emoji = "🔣"

    class REPORT(_Message[dict[str, Any]]):
        """Values that changed since a task's last report, by name."""

        emoji = "🆗"

    class ANSWER(_Message[dict[str, Any]]):
        """Beyond the reference: a message of the pipeline was dealt with: its number, and why it was refused, if so."""

        emoji = "☑️"

    class BUSY(_Message[dict[str, Any]]):
        """Beyond the reference: what takes a task long from now on; it says nothing else until that is done."""

        emoji = "⏳"

    class IN_USE(_Message[dict[str, Any]]):
        """Beyond the reference: values of parameters that a task uses although nobody has written them, and limits."""

        emoji = "🎚️"

    FINISHED = "🏁"
    QUIT = "⏏️"
    START = "▶️"
    STOP = "⏹️"
    #: Beyond the reference: like STOP, but what the tasks still hold is discarded (and counted), not handed on.
    ABORT = "🛑"


#: All kinds of messages, by their emoji, with the name that the documentation uses.
KINDS: dict[str, str] = {
    Message.CONFIGURE.emoji: "CONFIGURE",
    Message.CONNECT.emoji: "CONNECT",
    Message.START: "START",
    Message.STOP: "STOP",
    Message.ABORT: "ABORT",
    Message.QUIT: "QUIT",
    Message.DATA.emoji: "DATA",
    Message.FINISHED: "FINISHED",
    Message.REPORT.emoji: "REPORT",
    Message.PRINT.emoji: "PRINT",
    Message.ANSWER.emoji: "ANSWER",
    Message.BUSY.emoji: "BUSY",
    Message.IN_USE.emoji: "IN_USE",
    Message.ERROR.emoji: "ERROR",
}


def kind(message: object) -> str:
    """The emoji of a message, of a message class or of a constant; TypeError for anything else."""
    text = message if isinstance(message, str) else getattr(message, "emoji", None)
    if text not in KINDS:
        raise TypeError(f"{message!r} is not one of the pipeline's messages")
    return text
