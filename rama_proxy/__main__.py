"""`python -m rama_proxy` is `rama`."""

from rama_proxy.cli import main

main(prog_name="rama")
