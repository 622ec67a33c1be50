"""Encoded images to pixels, for training and for curation alike."""
