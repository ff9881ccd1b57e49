"""The loop that trains every estimator, what it trains on, and what it decides by itself."""
