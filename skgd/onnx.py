"""ONNX: fitted models for runtimes without Python.

``import skgd.onnx`` tells `skl2onnx <https://onnx.ai/sklearn-onnx/>`_ how to convert skgd's five estimators, alone and
as parts of pipelines and ensembles: ``skl2onnx.to_onnx`` then makes of them what onnxruntime and others run. It needs
``pip install "skgd[onnx]"``, and has no names of its own; docs/saving.md shows its use.
"""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

try:
    from skl2onnx import update_registered_converter
    from skl2onnx.common.data_types import (
        BooleanTensorType,
        DoubleTensorType,
        FloatTensorType,
        Int64TensorType,
        StringTensorType,
        guess_numpy_type,
        guess_proto_type,
    )
    from skl2onnx.common.utils import check_input_and_output_numbers, check_input_and_output_types
except ImportError as error:
    raise ImportError('skgd.onnx needs skl2onnx: pip install "skgd[onnx]"') from error

from ._onnx_formulas import ACTIVATION_FORMULAS, expit, squashed
from ._problem.network import NetworkModel, layers_of
from .linear_model import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier
from .losses import LogLoss, Loss, ModifiedHuber, MultilabelLogLoss, Poisson, Quantile
from .neural_network import GDMLPClassifier, GDMLPRegressor
from .neural_network._ensemble import checked_slope

TYPES = {
    np.dtype(np.float32): FloatTensorType,
    np.dtype(np.float64): DoubleTensorType,
    np.dtype(np.int64): Int64TensorType,
}
ROWS_TYPES = [FloatTensorType, DoubleTensorType, Int64TensorType, BooleanTensorType]


class Graph:
    """A graph of ONNX that grows: ``graph.Add(a, b)`` adds the node and gives the name of what comes out.

    Arrays and numbers become constants, floats in the precision that the graph computes in.
    """

    def __init__(self, scope: Any, container: Any, dtype: Any = np.float64):
        self.scope = scope
        self.container = container
        self.dtype = np.dtype(dtype)

    def __getattr__(self, operator: str) -> Callable[..., str]:
        return functools.partial(self.node, operator)

    def node(self, operator: str, *inputs: Any, output: str | None = None, more: int = 0, **attributes: Any) -> str:
        """Name of the first output; nothing reads those that are more."""
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        outputs = [output or self.name(operator), *(self.name(operator) for _ in range(more))]
        self.container.add_node(operator, names, outputs, **attributes)
        return outputs[0]

    def constant(self, values: Any) -> str:
        values = np.asarray(values)
        if values.dtype.kind == "f" or values.ndim == 0:
            values = values.astype(self.dtype)
        elif values.dtype.kind == "i":
            values = values.astype(np.int64)
        name, texts = self.name("constant"), values.dtype.kind == "U"
        kind = StringTensorType() if texts else TYPES[values.dtype]()
        content = [each.encode() for each in values] if texts else values.ravel()
        self.container.add_initializer(name, guess_proto_type(kind), values.shape, content)
        return name

    def name(self, seed: str) -> str:
        return self.scope.get_unique_variable_name(seed.lower())

    def cast(self, node: str, dtype: Any) -> str:
        return self.Cast(node, to=guess_proto_type(TYPES[np.dtype(dtype)]()))

    def in_precision(self, dtype: Any) -> "Graph":
        return Graph(self.scope, self.container, dtype)


# ---------------------------------------------------------------------------------------------------------------------
# 1. Formulas, by the method that predictions call: a subclass that overrides it has none


def sorted_quantiles(graph: Graph, raw: str, loss: Any) -> str:
    if not loss.has_output_axis:
        return raw
    n_quantiles = np.size(loss.quantile)
    ascending = graph.TopK(raw, np.array([n_quantiles]), axis=1, largest=0, sorted=1, more=1)
    places = loss.predict(np.arange(n_quantiles)[None])[0]  # where the sorted ones go
    return graph.Gather(ascending, places, axis=1)


PREDICTION_FORMULAS: dict[Callable, Callable] = {
    Loss.predict: lambda graph, raw, loss: raw,
    Poisson.predict: lambda graph, raw, loss: graph.Exp(raw),  # of all losses with a log link
    Quantile.predict: sorted_quantiles,
}


def class_probabilities(graph: Graph, raw: str, n_outputs: int) -> str:
    return expit(graph, both_sides(graph, raw)) if n_outputs == 1 else graph.Softmax(raw, axis=1)


def clipped_probabilities(graph: Graph, raw: str, n_outputs: int) -> str:
    clipped = graph.Max(graph.Min(raw, 1), -1)
    share = graph.Mul(graph.Add(clipped, 1), 0.5)
    if n_outputs == 1:
        return graph.Concat(graph.Sub(1, share), share, axis=1)
    total = graph.MatMul(share, np.ones((n_outputs, 1), graph.dtype))
    positive = graph.Less(0, total)
    shares = graph.Div(share, graph.Where(positive, total, 1))
    return graph.Where(positive, shares, 1 / n_outputs)


PROBABILITY_FORMULAS: dict[Callable, Callable] = {
    LogLoss.predict_proba: class_probabilities,
    MultilabelLogLoss.predict_proba: lambda graph, raw, n_outputs: expit(graph, raw),
    ModifiedHuber.predict_proba: clipped_probabilities,
}


def formula_of(formulas: dict[Callable, Callable], part: Any, method: str, kind: str) -> Callable:
    """The formula of what a part's method computes; an error names the part that has none."""
    found = formulas.get(getattr(type(part), method))
    if found is None:
        raise NotImplementedError(
            f"{kind}={part!r} can't be converted to ONNX: its {method} is Python of its own, for which skgd.onnx has "
            "no formula"
        )
    return found


# ---------------------------------------------------------------------------------------------------------------------
# 2. Raw predictions, computed as the estimator does: in the same precision, with the same parameters


def raw_predictions(graph: Graph, operator: Any) -> tuple[str, int]:
    """Raw predictions in float64 for an operator's rows, and the number of outputs."""
    rows, model = operator.inputs[0], operator.raw_operator
    compute = network_predictions if isinstance(model._training.model, NetworkModel) else linear_predictions
    return compute(graph, rows.full_name, model, guess_numpy_type(rows.type))


def linear_predictions(graph: Graph, rows: str, model: Any, dtype: Any) -> tuple[str, int]:
    coef, intercept = model._parameters_for(dtype)
    coef = np.atleast_2d(coef.toarray() if sparse.issparse(coef) else coef)
    products = graph.MatMul(graph.cast(rows, np.float64), coef.T.astype(np.float64))
    return graph.Add(products, np.asarray(intercept, np.float64)), len(coef)


def network_predictions(graph: Graph, rows: str, model: Any, dtype: Any) -> tuple[str, int]:
    link, n_outputs = model._training.loss.out_activation, model.n_outputs_
    if model._encoding is not None:
        raise NotImplementedError(
            "categories and gaps can't be converted to ONNX: put an encoder and an imputer before the network"
        )
    if model._tails is not None:
        double = graph.in_precision(np.float64)
        rows, dtype = squashed(double, double.cast(rows, np.float64), model.n_features_in_, model._tails), np.float64
    networks = zip(model._trainings, model._parameters_to_predict(), strict=True)
    linear, weight = ((each, each.params) for each in model._linear), model._weight_of_linear()
    parts = [(networks, 1 - weight), (linear, weight)]
    members = [(*member, share / model.n_members_) for part, share in parts if share for member in part]
    raws = [member_predictions(graph, rows, training, params, dtype) for training, params, _ in members]
    raw = mean_raw(graph, raws, link, n_outputs, [share for *_, share in members])
    slope = checked_slope(model) if weight else 1.0
    if slope != 1:
        raw = graph.Add(graph.Mul(raw, slope), (1 - slope) * np.array(model._constant))
    return raw, n_outputs


def member_predictions(graph: Graph, rows: str, training: Any, params: np.ndarray, dtype: Any) -> str:
    network, scaling = training.model, training.scaling
    formula = formula_of(ACTIVATION_FORMULAS, network.activation, "function", "activation")
    inner = graph.in_precision(training.dtype)
    # centred before they are rounded: of large means float32 would lose what the difference keeps
    outer = graph.in_precision(np.result_type(dtype, training.dtype))
    inverse_scale = (1.0 / scaling.scale).astype(training.dtype)
    a = outer.Sub(outer.cast(rows, outer.dtype), scaling.center.astype(training.dtype))
    a = outer.cast(outer.Mul(a, inverse_scale), training.dtype)
    *hidden, last = layers_of(network, params)
    for coef, intercept in hidden:
        a = formula(inner, inner.Add(inner.MatMul(a, coef), intercept))
    raw = inner.Add(inner.MatMul(a, last[0]), last[1])
    raw = graph.Mul(graph.cast(raw, np.float64), scaling.target_scale)
    return graph.Add(raw, scaling.target_center)


def mean_raw(graph: Graph, raws: list[str], link: str, n_outputs: int, weights: list[float]) -> str:
    """The raw prediction whose prediction, or probability, is the weighted mean of these."""

    def mean(nodes: Iterable[str]) -> str:
        return functools.reduce(graph.Add, map(graph.Mul, nodes, weights))

    if len(raws) == 1:
        return raws[0]
    if link == "softmax" and n_outputs > 1:
        shares = mean(graph.Softmax(raw, axis=1) for raw in raws)
        return graph.Log(graph.Max(shares, np.finfo(np.float64).tiny))
    if link in ("softmax", "logistic"):
        sides = (mean(expit(graph, side) for side in each) for each in (raws, map(graph.Neg, raws)))
        return graph.Sub(*map(graph.Log, sides))
    return graph.Log(mean(map(graph.Exp, raws))) if link == "exp" else mean(raws)


def both_sides(graph: Graph, raw: str) -> str:
    """Raw predictions of both of two classes."""
    return graph.Concat(graph.Neg(raw), raw, axis=1)


# ---------------------------------------------------------------------------------------------------------------------
# 3. What skl2onnx calls: the types and shapes of outputs, and the graph


def shapes_of_regressor(operator: Any) -> None:
    """A column for each target: one, too, for y of one dimension, as of all regressors that skl2onnx converts."""
    n_rows = checked_rows(operator, n_outputs=1)
    raw = operator.raw_operator._training.model.n_outputs
    operator.outputs[0].set_type(type_of_numbers(operator)([n_rows, raw]))


def shapes_of_classifier(operator: Any) -> None:
    """Labels, and a column of probabilities or scores for each class."""
    n_rows = checked_rows(operator, n_outputs=2)
    model = operator.raw_operator
    columns = len(model.classes_)
    of_labels = [n_rows, columns] if model._training.loss.multilabel else [n_rows]
    strings = known_classes(model, operator.scope_inst).dtype.kind == "U"
    operator.outputs[0].set_type((StringTensorType if strings else Int64TensorType)(of_labels))
    operator.outputs[1].set_type(type_of_numbers(operator)([n_rows, columns]))


def checked_rows(operator: Any, n_outputs: int) -> int | None:
    """The number of rows, None if any, of an operator that is given what it can read."""
    check_is_fitted(operator.raw_operator)
    check_input_and_output_numbers(operator, input_count_range=1, output_count_range=n_outputs)
    check_input_and_output_types(operator, good_input_types=ROWS_TYPES)
    return operator.inputs[0].get_first_dimension()


def type_of_numbers(operator: Any) -> type:
    """That of the rows; whole numbers are answered in float32, as skl2onnx has it."""
    given = type(operator.inputs[0].type)
    return given if given is DoubleTensorType else FloatTensorType


def known_classes(model: Any, scope: Any) -> np.ndarray:
    """The classes as ONNX has them: strings or whole numbers, or their indices with the option `nocl`."""
    classes = np.asarray(model.classes_)
    if scope.get_options(model, {"nocl": False})["nocl"]:
        return np.arange(len(classes))
    if classes.dtype.kind in "OU" and all(isinstance(each, str) for each in classes):
        return classes.astype(str)
    whole = classes.astype(np.int64)
    if not np.array_equal(whole, classes):
        raise NotImplementedError(
            f"classes {classes!r} can't be converted to ONNX, which has strings and 64-bit integers for them"
        )
    return whole


def convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    graph, loss = Graph(scope, container), operator.raw_operator._training.loss
    formula = formula_of(PREDICTION_FORMULAS, loss, "predict", "loss")
    raw, _ = raw_predictions(graph, operator)
    put_out(graph, formula(graph, raw, loss), operator.outputs[0])


def convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    model, loss = operator.raw_operator, operator.raw_operator._training.loss
    graph = Graph(scope, container)
    raw, n_outputs = raw_predictions(graph, operator)
    scores = both_sides(graph, raw) if n_outputs == 1 and not loss.multilabel else raw
    if loss.multilabel:
        labels = graph.Less(0, raw)
    else:
        labels = graph.Gather(known_classes(model, scope), graph.ArgMax(scores, axis=1, keepdims=0), axis=0)
    put_out(graph, labels, operator.outputs[0])
    if loss.gives_probabilities and not container.get_options(model, {"raw_scores": False})["raw_scores"]:
        formula = formula_of(PROBABILITY_FORMULAS, loss, "predict_proba", "loss")
        scores = formula(graph, raw, n_outputs)
    put_out(graph, scores, operator.outputs[1])


def put_out(graph: Graph, node: str, output: Any) -> None:
    """Make a node an output of the operator, in the output's type."""
    if isinstance(output.type, StringTensorType):
        graph.Identity(node, output=output.full_name)
    else:
        graph.Cast(node, to=guess_proto_type(output.type), output=output.full_name)


CLASSIFIER_OPTIONS = {  # those of scikit-learn's classifiers
    "zipmap": [True, False, "columns"],
    "nocl": [True, False],
    "output_class_labels": [False, True],
    "raw_scores": [True, False],
}


def register(estimator: type, shapes: Callable, convert: Callable, options: dict | None = None) -> None:
    update_registered_converter(estimator, f"Skgd{estimator.__name__}", shapes, convert, options=options)


register(GDLinearRegressor, shapes_of_regressor, convert_regressor)
register(GDMLPRegressor, shapes_of_regressor, convert_regressor)
register(GDLinearClassifier, shapes_of_classifier, convert_classifier, CLASSIFIER_OPTIONS)
register(GDLogisticClassifier, shapes_of_classifier, convert_classifier, CLASSIFIER_OPTIONS)
register(GDMLPClassifier, shapes_of_classifier, convert_classifier, CLASSIFIER_OPTIONS)

__all__: list[str] = []
