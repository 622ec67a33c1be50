"""Recipes on a Ray cluster."""
