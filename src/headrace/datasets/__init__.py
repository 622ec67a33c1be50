"""Lake, datasets, commits, snapshots."""
