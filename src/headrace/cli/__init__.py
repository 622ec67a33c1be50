"""The command line: translates words into calls of the library, and results into tables or JSON."""
