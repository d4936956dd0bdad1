"""Being here, this file puts `tests/` on the path: tests in any folder may import `toy_world`.

A busy machine is no failure: hypothesis looks at what comes out, never at the clock.
"""

from hypothesis import HealthCheck, settings

settings.register_profile("a3t", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("a3t")
