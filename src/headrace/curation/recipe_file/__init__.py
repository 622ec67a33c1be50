"""Recipe files: YAML read strictly, with the place of everything that is wrong."""
