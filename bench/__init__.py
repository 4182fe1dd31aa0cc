"""Benchmarks: sekisho side by side with its peers, in one run, every answer checked.  ``python -m bench --help``."""
