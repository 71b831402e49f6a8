"""The process that draws a report: its data as JSON on stdin, HTML on stdout."""

import sys

import msgspec

from weighbridge.adapters.report_html.page import page
from weighbridge.domain.report.shapes import Report

if __name__ == "__main__":
    sys.stdout.buffer.write(page(msgspec.json.decode(sys.stdin.buffer.read(), type=Report)))
