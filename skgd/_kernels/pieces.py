"""A line over losses that are made of straight pieces, with their kinks rounded off."""


def slope_along(length, start, curvature, low, high, along, sums):
    """Add the slope there, and its own slope, to the sums: slopes of rows go up from low to high as parabolas' do."""
    slope = of_slope = 0.0
    for i in range(along.size):
        at = start[i] + length * curvature[i] * along[i]
        if at <= low[i]:
            slope += low[i] * along[i]
        elif at >= high[i]:
            slope += high[i] * along[i]
        else:
            slope += at * along[i]
            of_slope += curvature[i] * along[i] * along[i]
    sums[0] += slope
    sums[1] += of_slope
