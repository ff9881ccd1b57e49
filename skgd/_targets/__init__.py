"""From y to targets, weights, loss and number of outputs."""
