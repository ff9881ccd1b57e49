"""A function of the parameters alone, evaluated in Python before every update: what the loop then finds."""


def evaluation_forward(features, rows, model, params, work, raw):
    """Fill raw with the function's value."""
    raw[0, 0] = model.value[0]


def evaluation_backward(features, rows, model, params, work, derivatives, grads):
    """Fill grads with the function's gradient."""
    for j in range(grads.size):
        grads[j] = derivatives[0, 0] * model.gradient[j]
