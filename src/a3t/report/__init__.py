"""Tells a run from its records: tables, the page, the curve, one task's tries. Shapes of what it reads: docs/report.md."""

from a3t.report.tally import Exploration, costs, exploration

__all__ = ["Exploration", "costs", "exploration"]
