"""Optimizers: every rule against its paper's formula, the textbook interface, plug-ins of the user's own."""

import copy
import pickle
import warnings
from fractions import Fraction

import numpy as np
import pytest
from sklearn.base import clone

from skgd import GDLinearRegressor, minimize
from skgd.losses import Loss, SquaredError
from skgd.optimizers import (
    OPTIMIZERS,
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    AdamW,
    Lion,
    Momentum,
    NAdam,
    Optimizer,
    RMSProp,
    get_optimizer,
)

DTYPES = [np.float64, np.float32]
N_STEPS = 6

# -- the papers' formulas: from the start and a list of gradients to the parameters after every update


def descent(o, theta, gradients, eta):
    for g in gradients:
        theta = theta - eta * g
        yield theta


def heavy_ball(o, theta, gradients, eta):
    v = np.zeros_like(theta)
    for g in gradients:
        v = o.momentum * v - eta * g
        theta = theta + v
        yield theta


def nesterov(o, theta, gradients, eta):
    # Sutskever et al. 2013: the gradient is taken at theta + mu v, and it is that point that is published
    v = np.zeros_like(theta)
    for g in gradients:
        behind = theta - o.momentum * v
        v = o.momentum * v - eta * g
        theta = behind + v + o.momentum * v
        yield theta


def accelerated(o, y, gradients, eta):
    # O'Donoghue and Candes 2015, algorithm 1 with the gradient scheme of section 3.2: begin again where
    # g(y)'(x_new - x_old) > 0
    x, k = y, 0
    for g in gradients:
        x_new = y - eta * g
        k = 1 if g @ (x_new - x) > 0 else k + 1
        y = x_new + (k - 1) / (k + 2) * (x_new - x)
        x = x_new
        yield y


def adagrad(o, theta, gradients, eta):
    G = np.full_like(theta, o.initial_accumulator)
    for g in gradients:
        G = G + g**2
        theta = theta - eta * g / (np.sqrt(G) + o.epsilon)
        yield theta


def adadelta(o, theta, gradients, eta):
    G, D = np.zeros_like(theta), np.zeros_like(theta)
    for g in gradients:
        G = o.rho * G + (1 - o.rho) * g**2
        delta = -np.sqrt(D + o.epsilon) / np.sqrt(G + o.epsilon) * g
        D = o.rho * D + (1 - o.rho) * delta**2
        theta = theta + eta * delta
        yield theta


def rmsprop(o, theta, gradients, eta):
    G = np.zeros_like(theta)
    for g in gradients:
        G = o.rho * G + (1 - o.rho) * g**2
        theta = theta - eta * g / (np.sqrt(G) + o.epsilon)
        yield theta


def adam(o, theta, gradients, eta):
    m, v, v_max = np.zeros_like(theta), np.zeros_like(theta), np.zeros_like(theta)
    for t, g in enumerate(gradients, start=1):
        theta = theta - eta * o.weight_decay * theta
        m = o.beta1 * m + (1 - o.beta1) * g
        v = o.beta2 * v + (1 - o.beta2) * g**2
        v_max = np.maximum(v_max, v) if o.amsgrad else v
        m_hat, v_hat = m / (1 - o.beta1**t), v_max / (1 - o.beta2**t)
        epsilon = o.epsilon / np.sqrt(1 - o.beta2**t) if o.epsilon_hat else o.epsilon
        theta = theta - eta * m_hat / (np.sqrt(v_hat) + epsilon)
        yield theta


def nadam(o, theta, gradients, eta):
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    mu = [o.beta1 * (1 - 0.5 * 0.96 ** (t * o.momentum_decay)) for t in range(1, len(gradients) + 2)]
    for t, g in enumerate(gradients, start=1):
        m = o.beta1 * m + (1 - o.beta1) * g
        v = o.beta2 * v + (1 - o.beta2) * g**2
        m_hat = mu[t] * m / (1 - np.prod(mu[: t + 1])) + (1 - mu[t - 1]) * g / (1 - np.prod(mu[:t]))
        v_hat = v / (1 - o.beta2**t)
        theta = theta - eta * m_hat / (np.sqrt(v_hat) + o.epsilon)
        yield theta


def lion(o, theta, gradients, eta):
    m = np.zeros_like(theta)
    for g in gradients:
        update = np.sign(o.beta1 * m + (1 - o.beta1) * g)
        theta = theta - eta * (update + o.weight_decay * theta)
        m = o.beta2 * m + (1 - o.beta2) * g
        yield theta


def lbfgs(optimizer, theta, gradients, rate):
    """The inverse Hessian as a matrix: the BFGS updates of the last pairs, from a multiple of the identity."""
    pairs, last = [], None
    for g in gradients:
        if last is not None:
            pairs = [*pairs, (theta - last[0], g - last[1])][-optimizer.memory :]
        curved = [(s, y) for s, y in pairs if s @ y > 0]
        H = np.eye(theta.size)
        if curved:
            s, y = curved[-1]
            H *= (s @ y) / (y @ y)
        for s, y in curved:
            V = np.eye(theta.size) - np.outer(y, s) / (s @ y)
            H = V.T @ H @ V + np.outer(s, s) / (s @ y)
        last = theta, g
        theta = theta - rate * H @ g
        yield theta


FORMULAS = {
    "sgd": descent,
    "momentum": heavy_ball,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "adadelta": adadelta,
    "rmsprop": rmsprop,
    "adam": adam,
    "amsgrad": adam,
    "adamw": adam,
    "nadam": nadam,
    "lion": lion,
    "lbfgs": lbfgs,
    "svrg": descent,  # of gradients that estimators have corrected
}

# Settings off the defaults, where a hyper-parameter that is ignored or swapped with another one shows.
VARIANTS = {
    "momentum-0.5": (SGD(momentum=0.5), heavy_ball),
    "nesterov-0.5": (SGD(momentum=0.5, nesterov=True), nesterov),
    "accelerated": (SGD(momentum="auto", nesterov=True), accelerated),
    "adagrad-start": (AdaGrad(initial_accumulator=0.3, epsilon=1e-2), adagrad),
    "adadelta-0.5": (AdaDelta(rho=0.5, epsilon=1e-2), adadelta),
    "rmsprop-0.5": (RMSProp(rho=0.5, epsilon=1e-2), rmsprop),
    "adam-betas": (Adam(beta1=0.6, beta2=0.8, epsilon=1e-2), adam),
    "adam-epsilon-hat": (Adam(beta2=0.8, epsilon=1e-2, epsilon_hat=True), adam),
    "adam-no-memory": (Adam(beta1=0.0, beta2=0.0), adam),
    "amsgrad-short-memory": (Adam(beta2=0.3, amsgrad=True), adam),
    "adamw-strong": (AdamW(weight_decay=0.7, beta1=0.6), adam),
    "adamw-amsgrad": (AdamW(weight_decay=0.7, beta2=0.3, amsgrad=True), adam),
    "nadam-betas": (NAdam(beta1=0.6, beta2=0.8, epsilon=1e-2, momentum_decay=0.5), nadam),
    "nadam-no-momentum": (NAdam(beta1=0.0), nadam),
    "lion-decay": (Lion(beta1=0.5, beta2=0.7, weight_decay=0.7), lion),
}

ALL = {name: make() for name, make in OPTIMIZERS.items()} | {name: variant[0] for name, variant in VARIANTS.items()}


@pytest.fixture
def walk():
    """A start, and gradients of very different sizes, with changes of sign and entries of exactly zero."""
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=(N_STEPS, 7)) * [1e-3, 0.1, 1, 1, 10, 1e3, 0]
    gradients[2] *= 0.01  # a small gradient after large ones, where amsgrad and its like differ
    gradients[3, 2] = 0.0
    return rng.normal(size=7), gradients


@pytest.mark.each("dtype", DTYPES)
@pytest.mark.each("name", ALL)
def test_rule_is_its_papers_formula(name, dtype, walk):
    start, gradients = walk
    optimizer = clone(ALL[name]).set_params(learning_rate=0.05)
    formula = VARIANTS[name][1] if name in VARIANTS else FORMULAS[name]
    params = start.astype(dtype)
    rtol, atol = (1e-11, 1e-13) if dtype == np.float64 else (2e-5, 2e-5)
    for g, expected in zip(gradients, formula(optimizer, start, gradients, 0.05), strict=True):
        optimizer.update(params, g.astype(dtype))
        np.testing.assert_allclose(params, expected, rtol=rtol, atol=atol)
    assert params.dtype == dtype


@pytest.mark.parametrize("name", [name for name in ALL if name != "lbfgs"])  # which takes no step but by line search
def test_descent_on_a_function_makes_the_steps_of_the_formula(name):
    formula = VARIANTS[name][1] if name in VARIANTS else FORMULAS[name]
    optimizer, met = clone(ALL[name]), []

    def jac(x):
        met.append(np.array([20 * x[0] + x[1], 0.4 * x[1] ** 3 + x[0]]))
        return met[-1]

    result = minimize(
        lambda x: 10 * x[0] ** 2 + x[0] * x[1] + 0.1 * x[1] ** 4,
        [1.0, -2.0],
        jac=jac,
        optimizer=optimizer,
        learning_rate=0.02,
        max_iter=12,
        tol=None,
        return_path=True,
    )
    expected = list(formula(optimizer, np.array([1.0, -2.0]), met[:12], 0.02))
    np.testing.assert_allclose(result.path, [[1.0, -2.0], *expected], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_without_a_learning_rate_the_customary_one_is_used(name, walk):
    start, gradients = walk
    customary = {
        "sgd": 0.01,
        "momentum": 0.01,
        "nesterov": 0.01,
        "adagrad": 0.01,
        "adadelta": 1.0,
        "rmsprop": 0.001,
        "adam": 0.001,
        "amsgrad": 0.001,
        "adamw": 0.001,
        "nadam": 0.002,
        "lion": 0.0001,
        "lbfgs": 1.0,
        "svrg": 0.01,
    }
    optimizer, params = OPTIMIZERS[name](), start.copy()
    optimizer.update(params, gradients[0])
    expected = next(FORMULAS[name](optimizer, start, gradients, customary[name]))
    np.testing.assert_allclose(params, expected, rtol=1e-12, atol=1e-15)


def test_names_stand_for_their_customary_settings():
    assert OPTIMIZERS["sgd"]().momentum == 0
    assert (OPTIMIZERS["momentum"]().momentum, OPTIMIZERS["momentum"]().nesterov) == (0.9, False)
    assert (OPTIMIZERS["nesterov"]().momentum, OPTIMIZERS["nesterov"]().nesterov) == (0.9, True)
    assert OPTIMIZERS["amsgrad"]().amsgrad
    assert not OPTIMIZERS["adam"]().amsgrad


def test_acceleration_needs_far_fewer_steps_than_descent():
    # condition number 1e4: descent needs some 1e5 steps to this accuracy
    curvature = np.array([1.0, 1e-2, 1e-4])
    params, optimizer = np.ones(3), SGD(learning_rate=1.0, momentum="auto", nesterov=True)
    for _ in range(2000):
        optimizer.update(params, curvature * params)
    assert np.abs(params).max() < 1e-5


@pytest.mark.each("dtype", DTYPES)
@pytest.mark.each("name", ALL)
def test_compiled_and_plain_rule_agree(name, dtype, walk):
    start, gradients = walk
    optimizer = ALL[name]
    compiled = optimizer.compiled_rule(dtype)
    assert compiled is not optimizer.rule, "the rule runs as plain Python"
    hyper = np.array(optimizer.hyperparameters(), dtype=np.float64)
    results = []
    for rule in (compiled, optimizer.rule):
        params, slots = start.astype(dtype), np.zeros((optimizer.n_slots, start.size), dtype)
        for t, g in enumerate(gradients, start=1):
            rule(params, g.astype(dtype), slots, hyper, 0.05, t)
        results.append((params, slots))
    rtol = 1e-12 if dtype == np.float64 else 1e-5
    for ours, plain in zip(*results, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=rtol, atol=rtol)


@pytest.mark.each("name", ALL)
def test_rule_leaves_a_parameter_without_entries_alone(name):
    # an index beyond the end is an IndexError in Python, and silently writes over other memory once compiled
    optimizer = ALL[name]
    hyper = np.array(optimizer.hyperparameters(), dtype=np.float64)
    optimizer.rule(np.empty(0), np.empty(0), np.empty((optimizer.n_slots, 0)), hyper, 0.1, 1)


@pytest.mark.parametrize("name", [name for name in ALL if name != "accelerated"])  # its restart looks at all of them
def test_a_huge_gradient_spoils_no_other_parameter(name):
    params, alone = np.array([1.0, 1.0]), np.array([1.0])
    together, single = (clone(ALL[name]).set_params(learning_rate=0.1) for _ in range(2))
    for _ in range(3):
        together.update(params, np.array([1e200, 1.0]))  # its square overflows
        single.update(alone, np.array([1.0]))
    np.testing.assert_allclose(params[1], alone[0], rtol=1e-12)


# -- update() on a user's own parameters


def model_of(dtype=np.float64):
    rng = np.random.default_rng(1)
    return {"W": rng.normal(size=(3, 4)).astype(dtype), "b": rng.normal(size=4).astype(dtype)}


@pytest.mark.each("name", ALL)
def test_dict_list_and_single_arrays_make_the_same_steps(name):
    params, grads = model_of(), [model_of() for _ in range(3)]
    for i, g in enumerate(grads):
        g["W"] *= i - 1.5
        g["b"] += i
    as_dict, as_list, as_tuple = copy.deepcopy(params), list(model_of().values()), tuple(model_of().values())
    one_by_one = copy.deepcopy(params)
    with_dict, with_list, with_tuple = (clone(ALL[name]) for _ in range(3))
    for g in grads:
        with_dict.update(as_dict, dict(reversed(g.items())))  # by key, whatever the order
        with_list.update(as_list, list(g.values()))
        with_tuple.update(as_tuple, tuple(g.values()))
    for key in params:
        alone = clone(ALL[name])
        for g in grads:
            alone.update(one_by_one[key], g[key])
    for i, key in enumerate(params):
        assert not np.array_equal(as_dict[key], params[key])
        np.testing.assert_array_equal(as_dict[key], as_list[i])
        np.testing.assert_array_equal(as_dict[key], as_tuple[i])
        np.testing.assert_array_equal(as_dict[key], one_by_one[key])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_shape_and_memory_layout_make_no_difference(name):
    rng = np.random.default_rng(2)
    flat, grads = rng.normal(size=24), rng.normal(size=(3, 24))
    frame = np.full((4, 6, 4), 7.0)
    layouts = {
        "4-d": flat.reshape(2, 3, 2, 2).copy(),
        "Fortran": np.asfortranarray(flat.reshape(4, 6)),
        "strided": frame[::2, ::2, :],
        "backwards": flat[::-1].copy()[::-1],
    }
    layouts["strided"][...] = flat.reshape(2, 3, 4)
    expected = flat.copy()
    reference = OPTIMIZERS[name]()
    for g in grads:
        reference.update(expected, g)
    for layout, params in layouts.items():
        optimizer = OPTIMIZERS[name]()
        for g in grads:
            optimizer.update(params, np.asfortranarray(g.reshape(params.shape)))
        np.testing.assert_array_equal(params.reshape(-1), expected, err_msg=layout)
    untouched = np.ones(frame.shape, dtype=bool)
    untouched[::2, ::2, :] = False
    assert (frame[untouched] == 7.0).all()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_scalars_and_empty_arrays_are_parameters_too(name):
    params = {"scalar": np.array(2.0), "none": np.empty((0, 3))}
    optimizer = OPTIMIZERS[name]().set_params(learning_rate=0.1)
    optimizer.update(params, {"scalar": np.array(1.0), "none": np.empty((0, 3))})
    alone = np.array([2.0])
    OPTIMIZERS[name]().set_params(learning_rate=0.1).update(alone, np.array([1.0]))
    assert params["scalar"] == alone[0] != 2.0
    assert params["none"].shape == (0, 3)


@pytest.mark.each("name", ALL)
def test_gradients_are_never_changed(name):
    params, grads = model_of(), model_of()
    before = copy.deepcopy(grads)
    for array in grads.values():
        array.flags.writeable = False
    optimizer = clone(ALL[name])
    optimizer.update(params, grads)
    optimizer.update(params, grads)
    for key in grads:
        np.testing.assert_array_equal(grads[key], before[key])


def test_numbers_in_dicts_and_lists_are_replaced():
    for make in (SGD, Momentum):
        as_dict, as_list, array = {"w": np.float64(2.0), "b": 1}, [2.0, 1], np.array([2.0, 1.0])
        optimizers = [make(learning_rate=0.1) for _ in range(3)]
        for w, b in ((1.0, -2.0), (0.5, 0.25)):
            optimizers[0].update(as_dict, {"b": b, "w": w})
            optimizers[1].update(as_list, [w, b])
            optimizers[2].update(array, np.array([w, b]))
        assert list(as_dict.values()) == as_list == list(array)
        assert {type(value) for value in as_list} == {float}
    assert as_list[0] == pytest.approx(2.0 - 0.1 * 1.0 - (0.9 * 0.1 * 1.0 + 0.1 * 0.5))
    with pytest.raises(ValueError, match="can't be changed in place"):
        SGD().update((1.0,), (1.0,))


def test_gradients_of_another_dtype_are_converted():
    params = np.array([1.0, 2.0], dtype=np.float32)
    SGD(learning_rate=0.5).update(params, np.array([1, 2]))
    np.testing.assert_array_equal(params, np.array([0.5, 1.0], dtype=np.float32))
    params = np.array([1.0, 2.0])
    SGD(learning_rate=0.5).update([params], [[1.0, 2.0]])
    np.testing.assert_array_equal(params, [0.5, 1.0])


def test_parameters_of_both_dtypes_in_one_model():
    params = {"W": np.ones(2, np.float32), "b": np.ones(2)}
    optimizer = Adam(learning_rate=0.1)
    for _ in range(2):
        optimizer.update(params, {"W": np.ones(2, np.float32), "b": np.ones(2)})
    assert (params["W"].dtype, params["b"].dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(params["W"], params["b"], rtol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_is_kept_until_reset(name, walk):
    start, gradients = walk
    optimizer = OPTIMIZERS[name]().set_params(learning_rate=0.05)
    first = start.copy()
    for g in gradients:
        optimizer.update(first, g)
    optimizer.reset()
    again = start.copy()
    for g in gradients:
        optimizer.update(again, g)
    np.testing.assert_array_equal(again, first)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_travels_with_a_pickle_and_not_with_a_clone(name, walk):
    start, gradients = walk
    optimizer = OPTIMIZERS[name]().set_params(learning_rate=0.05)
    params = start.copy()
    for g in gradients[:3]:
        optimizer.update(params, g)
    pickled, cloned = pickle.loads(pickle.dumps(optimizer)), clone(optimizer)
    goes_on, resumed, anew = params.copy(), params.copy(), params.copy()
    for g in gradients[3:]:
        optimizer.update(goes_on, g)
        pickled.update(resumed, g)
    np.testing.assert_array_equal(resumed, goes_on)
    fresh, expected = OPTIMIZERS[name]().set_params(learning_rate=0.05), params.copy()
    cloned.update(anew, gradients[3])
    fresh.update(expected, gradients[3])
    np.testing.assert_array_equal(anew, expected)


def test_learning_rate_may_change_between_updates():
    params, optimizer = np.array([1.0]), SGD(learning_rate=0.5)
    optimizer.update(params, np.array([1.0]))
    optimizer.set_params(learning_rate=0.25).update(params, np.array([1.0]))
    assert params[0] == 0.25


@pytest.mark.parametrize(
    ("params", "grads", "message"),
    [
        ({"a": np.ones(2)}, {"b": np.ones(2)}, "'a'|structure"),
        ({"a": np.ones(2)}, {"a": np.ones(2), "b": np.ones(2)}, "structure"),
        ({"a": np.ones(2)}, [np.ones(2)], "structure"),
        ([np.ones(2)], {0: np.ones(2)}, "structure"),
        ([np.ones(2), np.ones(2)], [np.ones(2)], "structure"),
        ([np.ones(2)], [np.ones(3)], r"grads\[0\] has shape \(3,\), its parameter \(2,\)"),
        ({"W": np.ones((2, 3))}, {"W": np.ones((3, 2))}, r"grads\['W'\] has shape \(3, 2\)"),
        (np.ones((2, 1)), np.ones(2), r"shape \(2,\)"),
        (np.ones(2), np.float64(1.0), r"shape \(\)|structure"),
        ((1.0, 2.0), (1.0, 2.0), "can't be changed in place"),
        ([[1.0, 2.0]], [[1.0, 2.0]], "can't be changed in place"),
        ([True], [1.0], "can't be changed in place"),
        (np.ones(2, dtype=int), np.ones(2), "float32 or float64"),
        (np.ones(2, dtype=np.float16), np.ones(2), "float32 or float64"),
        (np.ones(2, dtype=complex), np.ones(2), "float32 or float64"),
    ],
)
def test_wrong_structures_and_shapes_are_refused(params, grads, message):
    optimizer = Adam()
    before = copy.deepcopy(params)
    with pytest.raises(ValueError, match=message):
        optimizer.update(params, grads)
    np.testing.assert_equal(params, before)
    good = np.ones(2)
    optimizer.update(good, good)  # the failed call left no state behind


@pytest.mark.each(
    ("first", "second"),
    [
        (np.ones(3), np.ones(4)),
        ([np.ones(3)], [np.ones(3), np.ones(3)]),
        ({"a": np.ones(3)}, {"b": np.ones(3)}),
        ({"a": np.ones(3)}, {"a": np.ones((2, 2))}),
    ],
)
@pytest.mark.each("name", OPTIMIZERS)
def test_other_parameters_than_before_need_a_reset(name, first, second):
    optimizer = OPTIMIZERS[name]()
    optimizer.update(copy.deepcopy(first), first)
    with pytest.raises(ValueError, match=r"reset\(\)"):
        optimizer.update(copy.deepcopy(second), second)
    optimizer.reset()
    optimizer.update(copy.deepcopy(second), second)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_another_dtype_than_before_goes_on_or_says_so(name):
    optimizer = OPTIMIZERS[name]()
    optimizer.update(np.ones(3), np.ones(3))
    params = np.ones(3, np.float32)
    try:
        optimizer.update(params, np.ones(3, np.float32))
    except ValueError as error:
        assert "reset()" in str(error)  # noqa: PT017
        assert (params == 1.0).all()
    else:
        assert (params < 1.0).all()


def test_another_number_of_state_vectors_needs_a_reset():
    # the compiled rule doesn't check its indices: amsgrad with the state of Adam would write beyond its end
    class Counting(Optimizer):
        def __init__(self, learning_rate=None, n_slots=1):
            super().__init__(learning_rate)
            self.n_slots = n_slots

        @staticmethod
        def rule(params, grads, slots, hyper, learning_rate, t):
            params[0] = slots.shape[0]

    optimizer, params = Counting(), np.zeros(1)
    optimizer.update(params, np.ones(1))
    optimizer.set_params(n_slots=2)
    with pytest.raises(ValueError, match=r"reset\(\)"):
        optimizer.update(params, np.ones(1))
    optimizer.reset()
    optimizer.update(params, np.ones(1))
    assert params[0] == 2


def test_read_only_parameters_are_refused_clearly():
    params = np.ones(3)
    params.flags.writeable = False
    with pytest.raises(ValueError, match=r"in place|read-only"):
        SGD().update(params, np.ones(3))


# -- hyper-parameters


@pytest.mark.each("name", ALL)
def test_clone_and_get_params_keep_every_hyper_parameter(name):
    optimizer = clone(ALL[name]).set_params(learning_rate=0.123)
    assert "learning_rate" in optimizer.get_params()
    assert clone(optimizer).get_params() == optimizer.get_params()
    assert type(optimizer)(**optimizer.get_params()).get_params() == optimizer.get_params()
    for parameter in optimizer.get_params():
        assert parameter in type(optimizer).__doc__, parameter
    rebuilt = eval(repr(optimizer), {type(optimizer).__name__: type(optimizer)})
    assert rebuilt.get_params() == optimizer.get_params()


BAD_VALUES = {
    "learning_rate": [0, -0.1, np.inf, np.nan, "fast", [0.1]],
    "momentum": [-0.1, 1, 1.5, np.nan, "big", None],
    "nesterov": [0.9, "yes", None],
    "initial_accumulator": [-1, np.nan, "x"],
    "epsilon": [0, -1e-8, np.nan, None],
    "rho": [-0.1, 1, np.nan, None],
    "beta1": [-0.1, 1, np.nan, None],
    "beta2": [-0.1, 1.0, np.nan, None],
    "weight_decay": [-0.1, np.inf, np.nan, "x"],
    "momentum_decay": [-0.1, np.nan, None],
    "amsgrad": [2, "yes", None],
    "epsilon_hat": [2, "yes", None],
    "memory": [0, -1, 2.5, "x", None],
    "preconditioner": ["newton", 1, True],
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_hyper_parameters_out_of_range_are_named(name):
    for parameter in OPTIMIZERS[name]().get_params():
        for value in BAD_VALUES[parameter]:
            optimizer = OPTIMIZERS[name]().set_params(**{parameter: value})
            with pytest.raises(ValueError, match=f"The '{parameter}' parameter of {type(optimizer).__name__} must be"):
                optimizer.update(np.ones(1), np.ones(1))
            with pytest.raises(ValueError, match=f"The '{parameter}' parameter"):
                get_optimizer(optimizer)


def test_hyper_parameters_that_contradict_each_other():
    with pytest.raises(ValueError, match=r"nesterov=True needs momentum"):
        SGD(nesterov=True).update(np.ones(1), np.ones(1))
    with pytest.raises(ValueError, match=r"set nesterov=True"):
        SGD(momentum="auto").update(np.ones(1), np.ones(1))


@pytest.mark.parametrize("bad", ["adamm", "", 3, None, SGD, object()])
def test_unknown_optimizers_are_refused_with_the_known_ones(bad):
    with pytest.raises(ValueError, match="is not known") as caught:
        get_optimizer(bad)
    assert all(repr(name) in str(caught.value) for name in OPTIMIZERS)
    with pytest.raises(ValueError, match="optimizer") as caught:
        GDLinearRegressor(optimizer=bad).fit([[0.0], [1.0]], [0.0, 1.0])
    assert type(bad) is not str or all(repr(name) in str(caught.value) for name in OPTIMIZERS)


def test_fit_leaves_the_users_optimizer_alone(regression):
    X, y = regression
    for name, make in OPTIMIZERS.items():
        optimizer = make()
        before = copy.deepcopy(vars(optimizer))
        model = GDLinearRegressor(optimizer=optimizer, max_iter=2, tol=None).fit(X, y)
        assert vars(optimizer) == before, name
        assert model.optimizer is optimizer
        assert model.optimizer_ is not optimizer
        assert model.optimizer_.get_params() == optimizer.get_params()


# -- in the estimators' loop


@pytest.fixture(scope="module")
def regression():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(30, 4))
    return X, X @ [1.0, -2.0, 0.5, 0.0] + 3.0 + 0.1 * rng.normal(size=30)


class Uncentred(SquaredError):
    """Squared error of the targets as they are, starting at zero: the intercept has some way to go.

    Where it starts at the mean its first gradients are rounding noise, of which most rules make full steps.
    """

    quadratic = False  # whose intercept would be known on centred data
    target_power = None
    best_constant = Loss.best_constant


def loop_in_numpy(formula, optimizer, X, y, eta, n_epochs, alpha):
    """Full-batch training on standardised features with the formulas above; coefficients and intercept."""
    Z = np.column_stack([(X - X.mean(0)) / X.std(0), np.ones(len(X))])
    penalised = np.r_[np.ones(X.shape[1]), 0.0]
    start = theta = np.zeros(X.shape[1] + 1)
    gradients = []
    for _ in range(n_epochs):
        gradients.append(Z.T @ (Z @ theta - y) / len(y) + alpha * penalised * theta)
        *_, theta = formula(optimizer, start, gradients, eta)
    coef = theta[:-1] / X.std(0)
    return coef, theta[-1] - coef @ X.mean(0)


SETTINGS = {"loss": Uncentred(), "learning_rate": 0.05, "alpha": 0.1, "batch_size": None, "max_iter": 7, "tol": None}


RULES = [name for name, make in OPTIMIZERS.items() if not make().searches_line]


@pytest.mark.parametrize("name", RULES)
def test_full_batch_training_is_the_formula_in_a_loop(name, regression):
    X, y = regression
    optimizer = OPTIMIZERS[name]()
    if name == "adamw":
        optimizer.set_params(weight_decay=0.0)  # the formula decays the intercept too, which estimators spare
    coef, intercept = loop_in_numpy(FORMULAS[name], optimizer, X, y, 0.05, 7, alpha=0.1)
    model = GDLinearRegressor(optimizer=optimizer, **SETTINGS).fit(X, y)
    np.testing.assert_allclose(model.coef_, coef, rtol=1e-9)
    np.testing.assert_allclose(model.intercept_, [intercept], rtol=1e-9)
    assert model.t_ == model.n_iter_ == 7


@pytest.mark.parametrize("make", [AdamW, Lion])
def test_decoupled_decay_acts_on_weights_and_spares_the_intercept(make):
    X = np.array([[-1.0], [1.0], [-1.0], [1.0]])
    y = 2.0 + 2.0 * X[:, 0]
    model = GDLinearRegressor(
        loss=Uncentred(), optimizer=make(weight_decay=1.0), learning_rate=0.01, alpha=0, max_iter=800, tol=None
    ).fit(X, y)
    np.testing.assert_allclose(model.intercept_, 2.0, atol=0.1)  # decayed, it would end near 1
    np.testing.assert_allclose(model.coef_, 1.0, atol=0.1)  # where the rule's step, at most 1, and the decay balance


class DampedDescent(Optimizer):
    """Steps that shrink with the number of the update, and a hyper-parameter."""

    n_slots = 1

    def __init__(self, learning_rate=None, damping=1.0):
        super().__init__(learning_rate)
        self.damping = damping

    def hyperparameters(self):
        return (self.damping,)

    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        for j in range(params.size):
            slots[0, j] += grads[j]
            params[j] -= learning_rate / (1.0 + hyper[0] * t) * slots[0, j]


class InPython(DampedDescent):
    """The same with a class in its rule that numba doesn't know."""

    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        slots[0] += grads
        params -= learning_rate / (1.0 + hyper[0] * t) * slots[0] * float(Fraction(1, 1))


def damped(o, theta, gradients, eta):
    total = np.zeros_like(theta)
    for t, g in enumerate(gradients, start=1):
        total = total + g
        theta = theta - eta / (1 + o.damping * t) * total
        yield theta


def test_users_rule_is_compiled_and_right(regression):
    X, y = regression
    optimizer = DampedDescent(damping=0.5)
    assert optimizer.compiled_rule(np.float64) is not optimizer.rule
    coef, intercept = loop_in_numpy(damped, optimizer, X, y, 0.05, 7, alpha=0.1)
    model = GDLinearRegressor(optimizer=optimizer, **SETTINGS).fit(X, y)
    np.testing.assert_allclose(model.coef_, coef, rtol=1e-10)
    np.testing.assert_allclose(model.intercept_, [intercept], rtol=1e-10)
    params = np.ones(2)
    optimizer.set_params(learning_rate=1.0).update(params, np.ones(2))
    np.testing.assert_allclose(params, 1 - 1 / 1.5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch_size", [None, 7, 1])
def test_rule_that_cannot_be_compiled_gives_the_same_fit_with_one_warning(regression, batch_size, dtype):
    X, y = regression
    X = X.astype(dtype)
    settings = {"learning_rate": 0.01, "batch_size": batch_size, "max_iter": 3, "tol": None, "random_state": 0}
    compiled = GDLinearRegressor(optimizer=DampedDescent(), **settings).fit(X, y)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        python = GDLinearRegressor(optimizer=InPython(), **settings).fit(X, y)
    assert [w.category for w in caught] == [RuntimeWarning]
    assert "InPython.rule can't be compiled" in str(caught[0].message)
    assert "Fraction" in str(caught[0].message)  # the reason
    rtol = 1e-10 if dtype == np.float64 else 1e-4
    np.testing.assert_allclose(python.coef_, compiled.coef_, rtol=rtol)
    np.testing.assert_allclose(python.intercept_, compiled.intercept_, rtol=rtol)
    assert python.coef_.dtype == dtype


def test_update_with_a_rule_that_cannot_be_compiled():
    optimizer, params, expected = InPython(learning_rate=0.1), np.ones((2, 2)), np.ones((2, 2))
    for _ in range(2):
        with pytest.warns(RuntimeWarning, match="InPython.rule can't be compiled"):
            optimizer.update(params, np.ones((2, 2)))
    compiled = DampedDescent(learning_rate=0.1)
    for _ in range(2):
        compiled.update(expected, np.ones((2, 2)))
    np.testing.assert_allclose(params, expected, rtol=1e-14)


def test_rule_in_vector_notation_is_compiled_too(regression):
    class Vectors(Optimizer):
        @staticmethod
        def rule(params, grads, slots, hyper, learning_rate, t):
            params -= learning_rate * grads

    X, y = regression
    settings = {"learning_rate": 0.05, "batch_size": 10, "max_iter": 3, "tol": None, "random_state": 0}
    ours = GDLinearRegressor(optimizer=Vectors(), **settings).fit(X, y)  # a warning would be an error
    np.testing.assert_allclose(ours.coef_, GDLinearRegressor(optimizer="sgd", **settings).fit(X, y).coef_, rtol=1e-12)


def test_two_optimizers_with_rules_of_the_same_name_stay_apart():
    # compiled code is kept by function: rules made in a loop share their name and their file
    def make(sign):
        class Signed(Optimizer):
            @staticmethod
            def rule(params, grads, slots, hyper, learning_rate, t):
                for j in range(params.size):
                    params[j] += sign * learning_rate * grads[j]

        return Signed(learning_rate=1.0)

    up, down = np.zeros(1), np.zeros(1)
    make(1.0).update(up, np.ones(1))
    make(-1.0).update(down, np.ones(1))
    assert (up[0], down[0]) == (1.0, -1.0)


def test_rule_that_replaces_its_state_is_told_so(regression):
    class Reshapes(Optimizer):
        n_slots = 1

        @staticmethod
        def rule(params, grads, slots, hyper, learning_rate, t):
            slots.resize((2, int(Fraction(params.size, 1))), refcheck=False)

    X, y = regression
    model = GDLinearRegressor(optimizer=Reshapes(), max_iter=3)
    with pytest.warns(RuntimeWarning, match="can't be compiled"), pytest.raises(ValueError, match=r"Reshapes\.rule"):
        model.fit(X, y)


def test_rule_that_returns_nan_ends_in_finite_coefficients_and_a_warning(regression):
    class NotANumber(Optimizer):
        @staticmethod
        def rule(params, grads, slots, hyper, learning_rate, t):
            for j in range(params.size):
                params[j] = np.nan if t > 3 else params[j] - learning_rate * grads[j]

    X, y = regression
    with pytest.warns(UserWarning, match="diverged"):
        model = GDLinearRegressor(optimizer=NotANumber(), learning_rate=0.1, max_iter=20).fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert np.isfinite(model.predict(X)).all()
    assert model.stop_reason_ == "diverged"


def test_optimizer_without_a_rule_says_what_is_missing(regression):
    class Nothing(Optimizer):
        pass

    model = GDLinearRegressor(optimizer=Nothing())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # that it can't be compiled either
        with pytest.raises(NotImplementedError, match="needs a static method rule"):
            model.fit(*regression)


# -- what is noticed about rules before the first fit


def ascent(params, grads, slots, hyper, learning_rate, t):
    for j in range(params.size):
        params[j] += learning_rate * grads[j]


def momentum_with_the_wrong_sign(params, grads, slots, hyper, learning_rate, t):
    for j in range(params.size):
        slots[0, j] = 0.9 * slots[0, j] + learning_rate * grads[j]
        params[j] += slots[0, j]


def ascent_after_a_pause(params, grads, slots, hyper, learning_rate, t):
    if t > 1:
        params += learning_rate * grads / (1.0 + np.sqrt(np.sum(grads**2)))


@pytest.mark.parametrize("rule", [ascent, momentum_with_the_wrong_sign, ascent_after_a_pause])
def test_a_rule_that_goes_uphill_is_noticed(rule, regression):
    own = type("Own", (Optimizer,), {"rule": staticmethod(rule), "n_slots": 1})
    message = r"Own\.rule goes uphill: none of its first updates was a step against the gradient, as in params\[j\] -="
    with pytest.warns(RuntimeWarning, match=message) as caught:
        own().probe()
    assert len(caught) == 1
    with pytest.warns(RuntimeWarning, match=message):
        GDLinearRegressor(optimizer=own(), learning_rate=1e-3, max_iter=2, tol=None).fit(*regression)


def sign(params, grads, slots, hyper, learning_rate, t):
    params -= learning_rate * np.sign(grads)


NOISE = np.random.default_rng(6)


def langevin(params, grads, slots, hyper, learning_rate, t):
    # gradient descent with so much noise that it samples from exp(-objective)
    params += -learning_rate * grads + np.sqrt(2 * learning_rate) * NOISE.standard_normal(params.size)


def sharpness_aware(params, grads, slots, hyper, learning_rate, t):
    # uphill to the worst point around, and from its gradient down (Foret, Kleiner, Mobahi and Neyshabur 2021)
    if t % 2:
        slots[0] = 0.05 * grads / np.sqrt(np.sum(grads**2))
        params += slots[0]
    else:
        params -= slots[0] + learning_rate * grads


def layerwise(params, grads, slots, hyper, learning_rate, t):
    # steps in proportion to the parameters' norm, zero where that is (You, Gitman and Ginsburg 2017)
    params -= learning_rate * np.linalg.norm(params) / np.linalg.norm(grads) * grads


def exponentiated(params, grads, slots, hyper, learning_rate, t):
    # multiplicative, for positive parameters (Kivinen and Warmuth 1997)
    params *= np.exp(-learning_rate * grads)


def dual_averaging(params, grads, slots, hyper, learning_rate, t):
    # from the sum of all gradients, wherever the parameters were (Nesterov 2009)
    slots[0] += grads
    params[:] = -learning_rate * slots[0] / np.sqrt(t)


def decaying(params, grads, slots, hyper, learning_rate, t):
    params -= learning_rate * (grads + 10.0 * params)


def waiting(params, grads, slots, hyper, learning_rate, t):
    slots[0] += grads
    if t % 3 == 0:
        params -= learning_rate * slots[0]
        slots[0] = 0


SENSIBLE = [sign, langevin, sharpness_aware, layerwise, exponentiated, dual_averaging, decaying, waiting]


@pytest.mark.parametrize("rule", SENSIBLE)
def test_rules_that_go_downhill_in_their_own_way_are_not_warned_of(rule):
    own = type("Own", (Optimizer,), {"rule": staticmethod(rule), "n_slots": 1})
    for _ in range(20 if rule is langevin else 1):
        own().probe()  # a warning would be an error


@pytest.mark.parametrize("name", [*OPTIMIZERS, "accelerated"])
def test_the_rules_of_the_table_are_not_warned_of_as_users_rules(name):
    optimizer = SGD(momentum="auto", nesterov=True) if name == "accelerated" else OPTIMIZERS[name]()
    optimizer.__class__ = type("Own", (type(optimizer),), {})
    optimizer.probe()
