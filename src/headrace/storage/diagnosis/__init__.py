"""Whether a place can hold a lake, and what to do where it cannot."""
