"""Being here, this file puts `tests/` on the path: tests in any folder may import `toy_world`."""
