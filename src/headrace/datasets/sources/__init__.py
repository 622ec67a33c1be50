"""Whatever a user hands in, as rows or files: paths, archives, tables, frames, iterables."""
