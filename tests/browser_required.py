"""A pytest plugin that makes a run fail when the browser tests did not really run.

Without Chromium they skip, which is kind to a developer and no proof of anything. The gate loads
this plugin with `-p tests.browser_required`.
"""

from collections.abc import Generator

import pytest

_passed: set[str] = set()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a browser test into a failure."""
    report = yield
    if report.skipped and "browser" in item.keywords:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped: {call.excinfo}"
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember the browser tests that passed, also those another process ran."""
    if report.when == "call" and report.passed and "browser" in report.keywords:
        _passed.add(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in which no browser test passed at all."""
    if not _passed and not hasattr(session.config, "workerinput"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why."""
    if not _passed:
        terminalreporter.write_line("No browser test passed, and this run requires them.", red=True)
