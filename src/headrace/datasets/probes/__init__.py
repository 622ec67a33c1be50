"""Checks of media content at ingest: what a file is and what its header says."""
