"""Steps of conjugate gradients among combinations of the rows: all that has a number for each row, in two passes."""


def conjugate_direction(ratio, shares, ridge, slopes, products, step_factors, step_products, sums):
    """Turn the last step into the direction that is conjugate to it; its slope and curvature are the sums.

    The products are those of the rows with the gradient, whose factors are the slopes.
    """
    slope = curvature = 0.0
    for i in range(shares.size):
        factor = ratio * step_factors[i] - slopes[i]
        product = ratio * step_products[i] - products[i]
        slope += slopes[i] * product
        curvature += (shares[i] * product + ridge * factor) * product
        step_factors[i], step_products[i] = factor, product
    sums[0], sums[1] = slope, curvature


def conjugate_step(length, shares, ridge, targets, step_factors, step_products, factors, residuals, slopes, sums):
    """Go so far along the direction; twice the loss, the penalty and the duality gap there are the sums."""
    loss = penalty = gap = 0.0
    for i in range(shares.size):
        share = shares[i]
        factor = factors[i] + length * step_factors[i]
        residual = residuals[i] + length * step_products[i]
        slope = share * residual + ridge * factor
        loss += share * residual * residual
        penalty += ridge * factor * (residual + targets[i])  # the latter are the products with the coefficients
        gap += slope * slope / share if share > 0.0 else 0.0
        factors[i], residuals[i], slopes[i] = factor, residual, slope
    sums[0], sums[1], sums[2] = loss, penalty, gap
