"""`python -m a3t`: the command line without the entry point."""

from a3t.cli import main

main()
