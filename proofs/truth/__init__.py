"""Operators held against generated truth, or against a few lines that do the same slowly."""
