"""Which items are the same thing: pairs that are alike, checked, joined; see README.md."""
