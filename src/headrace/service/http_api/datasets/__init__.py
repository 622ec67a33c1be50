"""Datasets over HTTP: what they are, created, deleted and restored."""
