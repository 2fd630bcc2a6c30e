"""Requests of HTTP, as far as a page of metrics needs them, and the heads of answers: no sockets."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: The longest head of a request, in bytes.
LONGEST = 8 * 1024
#: Where the metrics are.
PATH = "/metrics"
#: What ends a head: lines may end without a carriage return.
_END = re.compile(rb"\r?\n\r?\n")
_LINE = re.compile(r"([A-Z]{1,20}) (/[\x21-\x7e]*) HTTP/1\.[01]")
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
}


@dataclass(frozen=True)
class Request:
    """What somebody wants, or why they do not get it (`status` is not 200)."""

    status: int
    with_body: bool = True
    is_open: bool = False  # whether it reads OpenMetrics


def request_of(received: bytes) -> Request | None:
    """The request that begins with these bytes; None if its head is not complete yet."""
    end = _END.search(received)
    if end is None:
        return Request(431) if len(received) >= LONGEST else None
    line, *headers = received[: end.start()].decode("latin-1").split("\n")
    found = _LINE.fullmatch(line.rstrip("\r"))
    if found is None:
        return Request(400)
    method, path = found.groups()
    if path.partition("?")[0] != PATH:
        return Request(404, method != "HEAD")
    if method not in ("GET", "HEAD"):
        return Request(405)
    accepted = [value for name, _, value in (h.partition(":") for h in headers) if name.strip().lower() == "accept"]
    return Request(200, method == "GET", any("application/openmetrics-text" in value for value in accepted))


def head(status: int, content_type: str, length: int) -> bytes:
    """The head of an answer, after which the connection is closed."""
    allowed = "Allow: GET, HEAD\r\n" if status == 405 else ""
    return (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n"
        f"{allowed}Connection: close\r\n\r\n"
    ).encode()


def refusal(request: Request) -> bytes:
    """The whole answer to who gets nothing."""
    body = f"{request.status} {_REASONS[request.status]}: what there is is GET {PATH}\n".encode()
    return head(request.status, "text/plain", len(body)) + (body if request.with_body else b"")
