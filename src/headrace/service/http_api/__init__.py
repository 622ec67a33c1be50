"""The HTTP edge: `/v1/…` over a lake, with problems, pages of lists and expected versions."""
