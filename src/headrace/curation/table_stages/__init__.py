"""Stages on whole tables: filter, SQL, checks, table operators, commands."""
