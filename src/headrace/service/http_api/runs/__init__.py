"""Recorded runs over HTTP."""
