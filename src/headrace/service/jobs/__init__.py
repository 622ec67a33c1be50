"""Durable jobs: claimed by lease, taken over when a worker dies."""
