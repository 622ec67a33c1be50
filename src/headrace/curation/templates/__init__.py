"""Recipes to start from, each with a small lake of data that it works on."""
