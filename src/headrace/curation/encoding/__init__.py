"""Models over rows: what goes into them, how they are called, and the columns that come out."""
