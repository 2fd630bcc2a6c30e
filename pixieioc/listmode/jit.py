"""The one place that knows numba: loops are compiled when they are first called, and kept on disk if possible.

Numba itself is loaded then, too: who only imports a module with compiled loops does not pay for it.

Compiled code is kept as numba keeps it, with three differences. Where that is decided in `account`. What cannot be
read there, or not be written, is as if it were not there: a full disk or a damaged file costs time and nothing else.
And it is known by all that it was made of: the loop, the loops that it calls, and the constants that they use.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import types
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from pixieioc import account

F = TypeVar("F", bound=Callable[..., Any])


def _nobody(name: str) -> None:
    """Does not listen."""


#: Called with the name of a loop when it is about to be compiled, which takes up to some seconds.
listener: Callable[[str], None] = _nobody


def compiled(function: F) -> F:
    """Machine code for `function` as soon as it is called; it may call others that are compiled."""
    return cast(F, Loop(function))


def load_compiler() -> None:
    """Loads numba with all that it knows of types and functions, which it would do when the first loop is called."""
    from numba.core import registry  # pyright: ignore[reportMissingTypeStubs]  # it has none

    target: Any = registry.cpu_target
    target.typing_context.refresh()
    target.target_context.refresh()


class Loop:
    """A function that is compiled when it is first called, or when one that calls it is."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, *arguments: Any) -> Any:
        """What the function returns."""
        return self.outer(*arguments)

    @functools.cached_property
    def outer(self) -> Any:
        """The form that Python calls, which is kept on disk. It runs without the interpreter lock."""
        import numba  # pyright: ignore[reportMissingTypeStubs]  # it has none

        function = self._calling_compiled()
        made: Any = numba.njit(nogil=True, boundscheck=False)(function)
        made._cache = _Cache(self, _store(function, self.digest))
        return made

    @functools.cached_property
    def inner(self) -> Any:
        """The form that compiled code calls; it is compiled only together with that, and has no way in from Python."""
        import numba  # pyright: ignore[reportMissingTypeStubs]  # it has none

        options = {"nogil": True, "boundscheck": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
        return cast(Any, numba.njit)(**options)(self._calling_compiled())

    def _calling_compiled(self) -> Callable[..., Any]:
        """The function, with the compiled form of each loop that it calls."""
        function = self.function
        names = {name: loop.inner for name, loop in self.uses() if isinstance(loop, Loop)}
        made = types.FunctionType(
            function.__code__, {**function.__globals__, **names}, function.__name__, function.__defaults__
        )
        made.__module__, made.__qualname__ = function.__module__, function.__qualname__
        return made

    def uses(self) -> Iterator[tuple[str, Any]]:
        """The names of the module that the function uses, with their values."""
        for name in self.function.__code__.co_names:
            if name in self.function.__globals__:
                yield name, self.function.__globals__[name]

    @functools.cached_property
    def digest(self) -> str:
        """Differs if anything differs that the machine code is made of."""
        code = self.function.__code__
        parts: list[object] = [code.co_code, [c for c in code.co_consts if not isinstance(c, types.CodeType)]]
        for name, value in self.uses():
            if isinstance(value, Loop):
                parts.append((name, value.digest))
            elif isinstance(value, np.ndarray):
                array = cast("NDArray[Any]", value)
                parts.append((name, array.dtype, array.shape, array.tobytes()))
            elif isinstance(value, bool | int | float | str | tuple | np.dtype):
                parts.append((name, cast(object, value)))
        return hashlib.sha256(repr(parts).encode()).hexdigest()


class _Cache:
    """What numba asks for machine code, and gives it to: tells the listener, and survives a store that fails."""

    def __init__(self, loop: Loop, store: Any) -> None:
        self._loop = loop
        self._store = store

    @property
    def cache_path(self) -> str | None:
        """Where machine code is kept; None if nowhere."""
        return self._store.cache_path if self._store is not None else None

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What is kept for these types, or None."""
        found = None
        if self._store is not None:
            try:
                found = self._store.load_overload(sig, target_context)
            except Exception:  # whatever a damaged file makes of the reading of it
                with contextlib.suppress(OSError):
                    self._store.flush()
        if found is None:
            listener(self._loop.function.__name__)
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keeps machine code for the next start."""
        if self._store is not None:
            with contextlib.suppress(OSError):  # a full disk
                self._store.save_overload(sig, data)


def _store(function: Callable[..., Any], digest: str) -> Any:
    """Numba's own cache on disk for a function; None if there is no place for it."""
    from numba.core import caching  # pyright: ignore[reportMissingTypeStubs]  # it has none
    from numba.core import config as its_config  # pyright: ignore[reportMissingTypeStubs]

    config, base = cast(Any, its_config), cast(Any, caching.FunctionCache)

    class Store(base):
        """The machine code of a function, found again by what the function is and by all that it uses."""

        def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
            return (*cast("tuple[object, ...]", base._index_key(self, sig, codegen)), digest)

    folder = account.code_folder()
    if folder is None:
        return None
    before, config.CACHE_DIR = config.CACHE_DIR, str(folder)
    try:
        store: Any = Store(function)
    except (RuntimeError, OSError):  # it has been removed meanwhile, or the disk is full
        return None
    finally:
        config.CACHE_DIR = before
    # If that folder does not do, numba takes another one, which has not been looked at.
    return store if store.cache_path.startswith(f"{folder}/") else None
