"""Measurements behind `a3t bench NAME`: each module has a `run` that measures ours beside a named alternative."""
