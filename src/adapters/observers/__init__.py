"""Observers of answers and sinks of events, and several of them as one."""
