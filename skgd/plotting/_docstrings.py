"""What the docstrings of displays have in common: places with their names are filled from here."""


class Displays:
    """Of all displays.

    X : array-like or sparse matrix of shape (n_rows, n_features)
        Features.
    y : array-like of shape (n_rows,) or (n_rows, n_targets)
        Targets.
    legend : bool, default=True
        Whether to draw a legend; False also makes no room for one.
    ax : matplotlib.axes.Axes, default=None
        Axes to draw on; None: new ones.
    ax_ : matplotlib.axes.Axes
        The axes drawn on.
    figure_ : matplotlib.figure.Figure
        Their figure.
    """


class Paths(Displays):
    """Of paths over a function.

    levels : int, array-like or "auto", default="auto"
        Contours: their number, or the values that they are drawn at.
    equal : bool, default=None
        Whether both axes have one scale; None: where there are no bounds and paths aren't too slim for it.
    projection : "3d" or None, default=None
        "3d": a function of two variables is a surface, with the paths on it; None: it is a map of contours.
    """


class Coefficients(Displays):
    """Of coefficients.

    features : sequence of int or str, default=None
        Numbers, or names, of the features to draw; None: all.
    output : int, str or None, default=0
        Which row of ``coef_``, where it has several: of a target, class or quantile, by its number, or a class by
        its name. None: all of them, each with a line of its own for every feature.
    """


class Rates(Displays):
    """Of learning rates.

    estimator : estimator
        Estimator of skgd with an optimizer that has a learning rate, or a pipeline or fitted search that ends with
        one; it stays as it is. Fitted steps of a pipeline are applied to X.
    """
