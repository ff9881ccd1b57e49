"""What precompile leaves to compile: nothing that estimators need afterwards."""

import pytest

from skgd._compile.jit import have_numba

pytestmark = pytest.mark.skipif(not have_numba(), reason="nothing is compiled")

ASKS = """
    import io, json, sys, types, warnings
    import numpy as np
    import scipy.sparse
    import skgd
    from skgd import *
    from skgd._compile import jit, kernels

    def forget():
        jit.asked_for.clear()
        for module in (jit, kernels):
            for function in vars(module).values():
                getattr(function, "cache_clear", int)()

    warnings.simplefilter("ignore")
    asked = {}
    for dtype in (np.dtype(np.float64), np.dtype(np.float32)):
        forget()
        rng = np.random.default_rng(0)
        X = rng.normal(size=(80, 6)).astype(dtype)
        wide = scipy.sparse.random_array((80, 900), density=0.01, format="csr", rng=0, dtype=dtype)
        y = X[:, 0].astype(float) + rng.normal(size=80)
        few = dict(max_iter=2, random_state=0)
        network = dict(hidden_layer_sizes=(3,), **few)
        classes, many = y > 0, np.digitize(y, [-1, 0, 1])
        for rows in (X, wide):
            for target in (y, y.astype(dtype)):
                GDLinearRegressor(**few).fit(rows, target).predict(rows)
                GDLinearRegressor(optimizer="adam", batch_size=8, **few).fit(rows, target)
                GDLinearRegressor(optimizer="nesterov", loss="huber", **few).fit(rows, target)
                GDLinearRegressor(penalty="l1", alpha=0.1, **few).fit(rows, target)
                GDMLPRegressor(optimizer="sgd", early_stopping=True, **network).fit(rows, target).predict(rows)
                GDMLPRegressor(optimizer="lbfgs", **network).fit(rows, target)
            for target in (classes, many):
                GDLogisticClassifier(**few).fit(rows, target).predict_proba(rows)
                GDLogisticClassifier(optimizer="sgd", batch_size=8, **few).fit(rows, target)
                GDLinearClassifier(loss="hinge", **few).fit(rows, target)
                GDMLPClassifier(**network).fit(rows, target).predict_proba(rows)
        GDLinearRegressor(optimizer="svrg", average=True, **few).fit(wide, y)
        minimize(lambda x: float(x @ x), np.ones(2), jac=lambda x: 2 * x, optimizer="adam", max_iter=3)
        asked[dtype] = set(jit.asked_for)

    jit._compiled = lambda *arguments: types.SimpleNamespace(pointer=None)
    answers = []
    for dtype, needed in asked.items():
        forget()
        sys.stderr = io.StringIO()
        skgd.precompile([dtype], sparse=True)
        lines = sys.stderr.getvalue().splitlines()
        sys.stderr = sys.__stderr__
        answers.append([str(dtype), len(needed), sorted(needed - jit.asked_for), len(jit.asked_for), lines])
    print(json.dumps(answers))
"""


def test_precompile_leaves_nothing_to_compile(answer_of_a_copy):
    answers = answer_of_a_copy(ASKS)
    assert [dtype for dtype, *_ in answers] == ["float64", "float32"]
    for dtype, n_asked, left, n_ready, lines in answers:
        assert n_asked > 25
        assert left == []
        assert n_ready >= n_asked
        assert lines[0].startswith(f"skgd.precompile: 1 of {len(lines)}: moments {dtype}")
