from __future__ import annotations


def pytest_terminal_summary(terminalreporter):
    """Say how many histories were driven through the machines."""
    reports = terminalreporter.stats.get("passed", [])
    histories = sum(value for report in reports for name, value in report.user_properties if name == "histories")
    if histories:
        terminalreporter.write_line(f"{histories:,} generated histories")
