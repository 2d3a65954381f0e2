"""Restore drills: the parts of `ops/drill.py`."""
