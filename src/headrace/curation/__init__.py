"""Recipes: from datasets to curated datasets, planned and hashed before anything runs."""
