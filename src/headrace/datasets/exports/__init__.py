"""Export formats, found by entry point."""
