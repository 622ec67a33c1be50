"""Dataset types: what collectors hand in, what training gets."""
