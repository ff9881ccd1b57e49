"""What is minimised: data, scaling, models, the objective over all rows and over a sample."""
