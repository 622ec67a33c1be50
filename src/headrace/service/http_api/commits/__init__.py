"""Commits over HTTP: rows come in, are hidden and shown again."""
