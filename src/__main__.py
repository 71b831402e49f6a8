"""``python -m weighbridge`` runs the command."""

from weighbridge.entrypoints.cli import main

main()
