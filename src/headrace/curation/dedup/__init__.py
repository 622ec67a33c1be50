"""Rows that are nearly the same, found and put into clusters; the operators are `operators/dedup_*.py`."""
