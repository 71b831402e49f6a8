"""``python -m weighbridge`` runs the command."""

from weighbridge.entrypoints.cli.main import main

main()
