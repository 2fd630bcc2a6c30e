"""What goes wrong with a crate, as one exception that says all that is known."""

from __future__ import annotations

#: XIA's codes of module and channel parameters that there are not, or that cannot have such a value.
_REFUSALS = (*range(209, 214), *range(300, 307))
_TASK_TIMEOUT = 214


class HardwareError(Exception):
    """A call that failed; `str()` is the sentence for the operator."""

    def __init__(
        self,
        call: str,
        code: int,
        text: str,
        *,
        module: int | None = None,
        channel: int | None = None,
        log: tuple[str, ...] = (),
        more: str = "",
    ) -> None:
        """`code` is XIA's return code, negative (0: not from the SDK), `log` the lines it has logged since the last.

        `more` is what else is to be known, as of other modules.
        """
        where = "" if module is None else f" of module {module}" + ("" if channel is None else f", channel {channel}")
        number = f" ({code})" if code else ""
        logged = f"; the SDK's log: {' | '.join(log)}" if log else ""
        super().__init__(f"{call}{where}: {text}{number}{f'; {more}' if more else ''}{logged}")
        self.call = call
        self.code = code
        self.text = text
        self.module = module
        self.channel = channel
        self.log = log

    @property
    def refuses(self) -> bool:
        """Whether what was asked for is not possible; otherwise something has failed."""
        return self.code == 0 or -self.code in _REFUSALS

    @property
    def timed_out(self) -> bool:
        """Whether the module has not done it in the SDK's time: it does not when it is asked again."""
        return -self.code == _TASK_TIMEOUT
