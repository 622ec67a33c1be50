"""Every built-in operator against something independent; `make operators-evidence` writes down what came out."""
