"""How the rate went in the last minutes, for a screen that is opened now."""

from __future__ import annotations

import numpy as np

from pixieioc.ioc.board import Board
from pixieioc.pvinfo.run_control import RATES_KEPT


class RateHistory:
    """Keeps the rate of the last task of the chain that knows events, or of the last at all."""

    def __init__(self, board: Board, chain: tuple[str, ...]) -> None:
        self._board = board
        knowing = [task for task in chain if f"{task}:Events_RBV" in board]
        self._pv = f"{(knowing or chain)[-1]}:Rate_RBV"
        self._rates = np.full(RATES_KEPT, np.nan)
        board.post("RateHistoryTime_RBV", np.arange(1.0 - RATES_KEPT, 1.0))
        self._show()

    def look(self) -> None:
        """A second has passed."""
        self._rates[:-1] = self._rates[1:].copy()
        self._rates[-1] = float(self._board[self._pv].value)
        self._show()

    def _show(self) -> None:
        self._board.post("RateHistory_RBV", self._rates.copy())
