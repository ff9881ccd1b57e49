"""Whoever watches a fit: what is printed, scikit-learn's callbacks, checkpoints."""
