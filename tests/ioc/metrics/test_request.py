"""Requests for the page of metrics, good ones and others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixieioc.ioc.metrics.request import LONGEST, Request, head, refusal, request_of

#: What Prometheus 2.42 sends.
PROMETHEUS = (
    b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:19816\r\nUser-Agent: Prometheus/2.42.0\r\n"
    b"Accept: application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    b"text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\nAccept-Encoding: gzip\r\n"
    b"X-Prometheus-Scrape-Timeout-Seconds: 1\r\n\r\n"
)


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        (PROMETHEUS, Request(200, is_open=True)),
        (b"GET /metrics HTTP/1.0\r\n\r\n", Request(200)),
        (b"GET /metrics?x=1 HTTP/1.1\nhost: x\n\n", Request(200)),
        (b"HEAD /metrics HTTP/1.1\r\n\r\nmore", Request(200, with_body=False)),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", Request(405)),
        (b"DELETE /metrics HTTP/1.1\r\n\r\n", Request(405)),
        (b"GET / HTTP/1.1\r\n\r\n", Request(404)),
        (b"GET /metrics/../../etc/passwd HTTP/1.1\r\n\r\n", Request(404)),
        (b"HEAD / HTTP/1.1\r\n\r\n", Request(404, with_body=False)),
        (b"GET http://elsewhere/metrics HTTP/1.1\r\n\r\n", Request(400)),
        (b"GET /metrics\r\n\r\n", Request(400)),
        (b"get /metrics HTTP/1.1\r\n\r\n", Request(400)),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", Request(400)),  # TLS
        (b"\r\n\r\n", Request(400)),
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\n", None),
        (b"", None),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * LONGEST, Request(431)),
    ],
)
def test_what_is_asked_for(received: bytes, expected: Request | None) -> None:
    assert request_of(received) == expected


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_waited_for(received: bytes) -> None:
    found = request_of(received)
    assert found is None or (found.status in (400, 404) and refusal(found).startswith(b"HTTP/1.1 4"))


def test_answers_say_how_long_they_are_and_that_they_are_the_last() -> None:
    assert head(200, "text/plain", 7).split(b"\r\n") == [
        b"HTTP/1.1 200 OK", b"Content-Type: text/plain", b"Content-Length: 7", b"Connection: close", b"", b"",
    ]  # fmt: skip
    assert b"\r\nAllow: GET, HEAD\r\n" in refusal(Request(405))
    assert refusal(Request(404, with_body=False)).endswith(b"\r\n\r\n")
    assert refusal(Request(404)).endswith(b"404 Not Found: what there is is GET /metrics\n")
