"""What a function's behaviour depends on, read from source text without running it."""
