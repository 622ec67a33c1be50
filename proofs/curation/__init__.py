"""Tries to make a recipe lose a row, compute one twice, or give another result."""
