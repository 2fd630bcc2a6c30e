from __future__ import annotations

import pytest

from pixieioc.pipeline import Message
from pixieioc.pipeline.message import KINDS, kind


def test_messages_print_as_the_emoji_of_the_reference() -> None:
    assert str(Message.CONFIGURE({"rate": 1})) == "ℹ️"
    assert str(Message.CONNECT("ipc:///tmp/x", True, False)) == "🔁"
    assert str(Message.DATA([1, 2])) == "📶"
    assert str(Message.REPORT({})) == "🆗"
    assert str(Message.PRINT({})) == "🔣"
    assert str(Message.ERROR({})) == "🆘"
    assert (Message.START, Message.STOP, Message.QUIT, Message.FINISHED) == ("▶️", "⏹️", "⏏️", "🏁")


def test_a_message_carries_its_arguments() -> None:
    message = Message.CONNECT("ipc:///tmp/x", True, False)
    assert message.args == ("ipc:///tmp/x", True, False)
    assert message.payload == "ipc:///tmp/x"
    assert repr(message) == "Message.CONNECT('ipc:///tmp/x', True, False)"
    assert message == Message.CONNECT("ipc:///tmp/x", True, False)
    assert message != Message.CONNECT("ipc:///tmp/y", True, False)
    assert Message.PRINT({}) != Message.REPORT({})


def test_each_kind_has_its_own_emoji() -> None:
    assert len(KINDS) == len(set(KINDS.values())) == 14
    assert kind(Message.DATA) == kind(Message.DATA(None)) == "📶"
    with pytest.raises(TypeError, match="None is not one of"):
        kind(None)
