"""Operators on chunks of rows, in processes that may die."""
