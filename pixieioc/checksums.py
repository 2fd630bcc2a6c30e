"""The checksums of data files: how they are named where they are written down, and how they are made of a file.

Who writes files, who verifies them and who reads them elsewhere mean the same by them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

#: The algorithm: the fastest of hashlib's good ones on processors of this decade, and what `sha256sum` checks.
SHA256 = "sha256"
#: The same of an npy file, whose header comes last in it: how long the array is stands there, and is known at the end.
HEADER_LAST = "sha256_header_last"
#: This much is read at a time.
_BLOCK = 8 * 1024**2
#: Bytes of an npy file whose last two tell how long the header behind them is, in version 1.0 of the format.
_NPY_BEGIN = 10


def checksum_of(path: Path, *, header_last: bool = False) -> str:
    """The checksum of a file that is there; `header_last` is for npy files, which numpy has written."""
    digest = hashlib.new(SHA256)
    with path.open("rb") as file:
        header = file.read(_NPY_BEGIN) if header_last else b""
        header += file.read(int.from_bytes(header[-2:], "little"))
        while block := file.read(_BLOCK):
            digest.update(block)
    digest.update(header)
    return digest.hexdigest()
