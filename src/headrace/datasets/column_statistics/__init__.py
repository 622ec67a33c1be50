"""Statistics of one column: one file a kind of column."""
