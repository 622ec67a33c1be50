"""The main job end to end on handwritten digits, without network: `headrace demo`."""
