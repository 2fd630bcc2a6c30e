"""The Display Builder Web Runtime with its PV Web Socket, in a Tomcat on this machine.

They are looked for in the folder that the environment variable WEB_RUNTIME_FOLDER names, and in
`~/.cache/pixieioc-tests/web-runtime`: `tomcat` (an unpacked Tomcat 9), `dbwr` and `pvws` (the web applications, as
unpacked folders or as `dbwr.war` and `pvws.war`). Java is that of the path.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.system.chromium import Absent, Page

FOLDER = Path(os.environ.get("WEB_RUNTIME_FOLDER", Path.home() / ".cache" / "pixieioc-tests" / "web-runtime"))
#: One connector on loopback, on a port that is free; the two applications, and folders of ours.
_SERVER = """<?xml version="1.0" encoding="UTF-8"?>
<Server port="-1">
  <Service name="Catalina">
    <Connector port="0" address="127.0.0.1" protocol="HTTP/1.1"/>
    <Engine name="Catalina" defaultHost="localhost">
      <Host name="localhost" appBase="none" autoDeploy="false" deployOnStartup="false">
        <Context path="/dbwr" docBase="{dbwr}"/>
        <Context path="/pvws" docBase="{pvws}"/>
        {folders}
      </Host>
    </Engine>
  </Service>
</Server>
"""
_PORT = re.compile(r'ProtocolHandler \["http-nio-127\.0\.0\.1-auto-\d+-(\d+)"\]')
#: What is true when a screen is there and all of its process variables have told a value.
READY = """(() => {
    const infos = Object.values(dbwr.pv_infos);
    return infos.length > 0 && infos.every(info => info.data.value !== undefined || info.data.text !== undefined);
})()"""
#: The process variables without a value, for the message of a test that fails.
_WAITING = """Object.values(dbwr.pv_infos).filter(
    info => info.data.value === undefined && info.data.text === undefined).map(info => info.pv_name)"""


@dataclass(frozen=True)
class WebRuntime:
    """A running server, which has the display files of some folders."""

    port: int
    log: Path

    @property
    def root(self) -> str:
        """The address that all others begin with."""
        return f"http://127.0.0.1:{self.port}"

    def address(self, file: str, macros: Mapping[str, str]) -> str:
        """That of a screen, as the runtime's own buttons make it; `file` begins with its folder."""
        return f"{self.root}/dbwr/view.jsp?display={quote(f'{self.root}/{file}')}&macros={quote(json.dumps(macros))}"

    def show(self, page: Page, file: str, macros: Mapping[str, str], seconds: float = 60.0) -> None:
        """Opens a screen, and waits until all that it shows has a value."""
        page.open(self.address(file, macros))
        self.wait_for(page, seconds)

    def wait_for(self, page: Page, seconds: float = 60.0) -> None:
        """Waits until all that the present screen shows has a value."""
        try:
            page.until(READY, seconds)
        except AssertionError as error:
            raise AssertionError(f"without a value: {page.value(_WAITING)}; {error}") from None


def find_web_runtime() -> tuple[str, Path, Path, Path]:
    """Java, Tomcat and the two applications; Absent if one of them is not on this machine."""
    java = shutil.which("java")
    tomcat, dbwr, pvws = FOLDER / "tomcat", _application("dbwr"), _application("pvws")
    if java is None or dbwr is None or pvws is None or not tomcat.is_dir():
        raise Absent(f"no java, or no tomcat, dbwr and pvws in {FOLDER}")
    return java, tomcat, dbwr, pvws


@contextmanager
def web_runtime(folders: Mapping[str, Path], addresses: str) -> Iterator[WebRuntime]:
    """A server for the display files in folders, by their names in addresses, and for the IOCs at `addresses`.

    Absent if it is not on this machine.
    """
    java, tomcat, dbwr, pvws = find_web_runtime()
    base = Path(tempfile.mkdtemp(prefix="tomcat"))
    (base / "conf").mkdir()
    shutil.copy(tomcat / "conf" / "web.xml", base / "conf")
    own = "\n".join(f'<Context path="/{name}" docBase="{folder.resolve()}"/>' for name, folder in folders.items())
    (base / "conf" / "server.xml").write_text(_SERVER.format(dbwr=dbwr, pvws=pvws, folders=own))
    jars = ":".join(str(tomcat / "bin" / name) for name in ("bootstrap.jar", "tomcat-juli.jar"))
    settings = {
        "catalina.home": tomcat.resolve(), "catalina.base": base, "java.util.prefs.userRoot": base,
        "java.io.tmpdir": base, "java.awt.headless": "true",
    }  # fmt: skip
    environment = {
        **os.environ, "EPICS_CA_ADDR_LIST": addresses, "EPICS_CA_AUTO_ADDR_LIST": "NO", "PV_WRITE_SUPPORT": "false",
        "PV_ARRAY_THROTTLE_MS": "1000", "EPICS_CA_MAX_ARRAY_BYTES": "1000000",
        "WHITELIST1": f"http://127\\.0\\.0\\.1:[0-9]+/({'|'.join(folders)})/[A-Za-z0-9_]+\\.bob",
    }  # fmt: skip
    log = base / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [java, "-Xmx512m", "-XX:TieredStopAtLevel=1", *(f"-D{name}={value}" for name, value in settings.items()),
             "-cp", jars, "org.apache.catalina.startup.Bootstrap", "start"],
            stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=base,
        )  # fmt: skip
    try:
        yield WebRuntime(_port(process, log), log)
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(base, ignore_errors=True)


def _application(name: str) -> Path | None:
    there = (FOLDER / each for each in (name, f"{name}.war"))
    return next((each.resolve() for each in there if each.exists()), None)


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    """The port on which it answers, from what it says."""
    end = time.monotonic() + 240
    while time.monotonic() < end and process.poll() is None:
        said = log.read_text(errors="replace")
        if (found := _PORT.search(said)) and "Server startup in" in said:
            return int(found[1])
        time.sleep(0.1)
    raise AssertionError(f"the web server has not started:\n{log.read_text(errors='replace')}")
