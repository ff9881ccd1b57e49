"""How it is minimised: the driver, the methods, when they stop, the state of a training."""
