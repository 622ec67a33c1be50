"""Built-in operators, one file each; `headrace.curation.registry` knows where."""
