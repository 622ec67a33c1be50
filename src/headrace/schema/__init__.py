"""Names, tags and references: the words that users type. Imports nothing but the standard library."""
