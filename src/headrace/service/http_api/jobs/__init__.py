"""Durable jobs over HTTP: watched, cancelled and queued again."""
