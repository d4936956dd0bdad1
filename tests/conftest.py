"""Being here, this file puts `tests/` on the path: tests in any folder may import `toy_world`.

A busy machine is no failure: hypothesis looks at what comes out, never at the clock.
"""

import sys

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("a3t", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("a3t")


@pytest.fixture
def a3t(monkeypatch, capsys):
    """The program in this process: `a3t("import", source, target)` is its exit code, stdout and stderr."""
    from a3t import cli

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["a3t", *map(str, arguments)])
        monkeypatch.setattr(sys, "path", list(sys.path))
        code = 0
        try:
            cli.main()
        except SystemExit as leave:
            code = leave.code
        told = capsys.readouterr()
        return code, told.out, told.err

    return call
