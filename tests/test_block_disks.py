"""The file systems of campaigns are what they promise to be, whatever else goes on on the computer."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.block_disks import cut_power, freezable, mount_again, why_not

pytestmark = pytest.mark.skipif(
    bool(why_not("mkfs.ext4")) or not shutil.which("unshare"), reason=why_not("mkfs.ext4") or "there is no unshare"
)


def test_after_a_power_cut_it_is_there_again_also_if_somebody_elses_mount_namespace_has_it_still(
    tmp_path: Path,
) -> None:
    with freezable(tmp_path / "disk") as disk:
        (disk / "before").write_text("it")
        subprocess.run(["sync", "-f", disk], check=True)
        with subprocess.Popen(["unshare", "--mount", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdin is not None
            assert other.stdout is not None
            other.stdin.write(b"there\n")
            other.stdin.flush()
            assert other.stdout.readline() == b"there\n"  # it has its own namespace now
            cut_power(disk)
            mount_again(disk)
            (disk / "after").write_text("that")
        assert sorted(path.name for path in disk.iterdir() if path.is_file()) == ["after", "before"]
