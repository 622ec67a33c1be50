"""Proofs of the streaming order: `python -m proofs.order`."""
