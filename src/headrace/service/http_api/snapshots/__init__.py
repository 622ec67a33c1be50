"""Snapshots over HTTP: taken, named, read row by row and value by value."""
