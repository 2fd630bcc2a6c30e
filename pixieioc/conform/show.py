"""A report as text for people, and as JUnit's XML for programs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from xml.etree import ElementTree

from pixieioc.conform.results import Report, Result, Verdict

#: What XML cannot have.
_CONTROL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text(report: Report, titles: dict[int, str], *, steps: bool) -> Iterator[str]:
    """Lines, rule by rule; with `steps`, what was done and seen is there for all, not only for what is violated."""
    for rule, results in groupby(report.results, key=lambda result: result.rule):
        yield f"Rule {rule}: {titles[rule]}"
        for result in results:
            yield from _lines(result, steps=steps or result.verdict is Verdict.VIOLATED)
    yield ""
    yield f"{report.prefix} {summary(report)}"
    yield from (f"NOT AS IT WAS: {what}" for what in report.left)


def summary(report: Report) -> str:
    """How many checks went how."""
    return ", ".join(f"{report.count(verdict)} {verdict}" for verdict in Verdict)


def _lines(result: Result, *, steps: bool) -> Iterator[str]:
    yield f"  {result.verdict.upper():10} {result.promise}"
    if steps:
        yield from (f"             {step}" for step in result.steps)
    if result.why:
        yield f"             {'>> ' if result.verdict is Verdict.VIOLATED else ''}{result.why}"


def junit(report: Report) -> str:
    """The report as a test suite with a test case for each check."""
    suite = ElementTree.Element(
        "testsuite",
        name=f"pixieioc conform {report.prefix}",
        tests=str(len(report.results)),
        failures=str(report.count(Verdict.VIOLATED)),
        errors=str(len(report.left)),
        skipped=str(report.count(Verdict.NOT_TRIED)),
        time=f"{sum(result.seconds for result in report.results):.3f}",
    )
    for result in report.results:
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"rule{result.rule:02d}", name=result.name, time=f"{result.seconds:.3f}"
        )
        if result.verdict is Verdict.VIOLATED:
            ElementTree.SubElement(case, "failure", message=_clean(result.why)).text = _clean(result.promise)
        elif result.verdict is Verdict.NOT_TRIED:
            ElementTree.SubElement(case, "skipped", message=_clean(result.why))
        ElementTree.SubElement(case, "system-out").text = _clean("\n".join(result.steps))
    for what in report.left:
        case = ElementTree.SubElement(suite, "testcase", classname="afterwards", name="it is as it was", time="0")
        ElementTree.SubElement(case, "error", message=_clean(what))
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(suites, encoding="unicode")}\n'


def _clean(text: str) -> str:
    return _CONTROL.sub("?", text)
