"""Paths of the folds of a cross-validation, found side by side, against scikit-learn's solvers for each fold alone."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit, logsumexp
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import GDLinearRegressor, GDLogisticClassifier, _parallel
from skgd._problem import shared_rows
from skgd._solvers import side_by_side
from skgd._solvers.quasi_newton import Identity
from skgd._solvers.side_by_side import SideBySide
from skgd.linear_model import AlphaSearchCV, _alpha_search, _folds
from skgd.linear_model._folds import paths_side_by_side
from skgd.linear_model._path import model_for_path, solver_of
from skgd.penalties import ElasticNet

ALPHAS = np.geomspace(0.1, 1e-4, 5)


def data(n, d, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * np.geomspace(0.1, 10, d) + np.linspace(-1, 5, d)
    score = StandardScaler().fit_transform(X) @ rng.standard_normal(d) * 2 / np.sqrt(d) + 0.5 * rng.standard_normal(n)
    return X, score


def paths_of(model, X, y, folds, alphas=ALPHAS, weight=None, tol=1e-5):
    model = model_for_path(model)
    return list(paths_side_by_side(folds, solver_of(model, X, y, weight), model, alphas, tol, 1))


def drifting(n):
    """Folds with rows of other scales and means than those of all, one drawn with rows several times."""
    several = np.random.default_rng(0).integers(n, size=n)
    return [*KFold(4).split(np.zeros(n)), (several, np.arange(5))]


@pytest.mark.parametrize("n_classes", [2, 3, 12])
def test_logistic_regression_in_each_fold(n_classes):
    X, score = data(3_200, 32) if n_classes == 2 else data(1_500, 20)
    order = np.argsort(X[:, 0] + 0.3 * X[:, -1])
    X, y = X[order], np.digitize(score, np.quantile(score, np.arange(1, n_classes) / n_classes))[order]
    weight = np.random.default_rng(1).integers(1, 4, len(y)).astype(float)
    folds = drifting(len(y))
    paths = paths_of(GDLogisticClassifier(tol=1e-15), X, y, folds, weight=weight)
    for (rows, _), (_, path) in zip(folds, paths, strict=True):
        scaler = StandardScaler().fit(X[rows], sample_weight=weight[rows])
        Z, of_rows = scaler.transform(X[rows]), weight[rows]
        assert path.converged.all()
        np.testing.assert_allclose(path.scales, scaler.scale_)
        for k, alpha in enumerate(ALPHAS):
            peer = LogisticRegression(C=1 / (alpha * of_rows.sum()), tol=1e-11, max_iter=1000, solver="newton-cholesky")
            peer.fit(Z, y[rows], of_rows)
            coef = np.atleast_2d(path.coefs[k]) * scaler.scale_
            np.testing.assert_allclose(coef - coef.mean(axis=0) * (n_classes > 2), peer.coef_, atol=2e-5)
            # the published certificate is the gradient there
            raw = Z @ coef.T + path.intercepts[k] + (scaler.mean_ / scaler.scale_) @ coef.T
            raw = raw if n_classes > 2 else np.hstack([0 * raw, raw])
            residual = np.exp(raw - logsumexp(raw, axis=1, keepdims=True)) - np.eye(n_classes)[y[rows]]
            residual = (residual * (of_rows / of_rows.sum())[:, None])[:, -len(coef) :]
            gradient = np.vstack([(residual.T @ Z + alpha * coef).T, residual.sum(axis=0)])
            np.testing.assert_allclose(path.gradient_norms[k], np.abs(gradient).max(), atol=1e-11)


def test_poisson_regression_in_each_fold():
    X, score = data(1_200, 100)
    y = np.random.default_rng(2).poisson(np.exp(score / 2)).astype(float)
    model = GDLinearRegressor("poisson", standardize=False, tol=1e-15)
    folds = drifting(len(y))
    for (rows, _), (_, path) in zip(folds, paths_of(model, X, y, folds), strict=True):
        for alpha, coef, intercept in zip(ALPHAS, path.coefs, path.intercepts, strict=True):
            peer = PoissonRegressor(alpha=alpha, solver="newton-cholesky", tol=1e-10, max_iter=1000).fit(
                X[rows], y[rows]
            )
            np.testing.assert_allclose(coef, peer.coef_, atol=1e-6)
            np.testing.assert_allclose(intercept, peer.intercept_, atol=1e-5)


def test_robust_regression_in_each_fold(monkeypatch):
    for name, value in {"FEW_ENTRIES": 0, "ENTRIES_PER_PARAMETER": 1e-3}.items():
        monkeypatch.setattr(_parallel, name, value)
    monkeypatch.setattr(shared_rows, "PART_ENTRIES", 300)  # in several parts, of several blocks
    monkeypatch.setattr(shared_rows, "BLOCK_ENTRIES", 1_000)
    X, score = data(1_000, 70)
    y = 100 + 3 * score + 0.5 * np.random.default_rng(3).standard_cauchy(len(score))  # in each fold on another scale
    folds = drifting(len(y))
    for (rows, _), (_, path) in zip(folds, paths_of(GDLinearRegressor("huber", tol=1e-15), X, y, folds), strict=True):
        scaler = StandardScaler().fit(X[rows])
        Z, coefs = scaler.transform(X[rows]), path.coefs * scaler.scale_
        slopes = np.clip(y[rows, None] - X[rows] @ path.coefs.T - path.intercepts.ravel(), -1.35, 1.35)
        np.testing.assert_allclose(Z.T @ slopes / len(rows), (ALPHAS[:, None] * coefs).T, atol=1e-7)
        np.testing.assert_allclose(slopes.mean(axis=0), 0.0, atol=1e-7)


def test_steps_are_those_of_each_fold():
    X, y = data(1_000, 70)
    easy, hard = np.arange(500), np.arange(500, 1_000)
    y[hard] += 3 * np.random.default_rng(3).standard_cauchy(500)
    steps = [path.n_iter for _, path in paths_of(GDLinearRegressor("huber"), X, y, [(easy, hard), (hard, easy)])]
    (_, alone), _ = paths_of(GDLinearRegressor("huber"), X, y, [(easy, hard)] * 2)
    assert steps[0].tolist() == alone.n_iter.tolist()  # nothing is added once it has ended
    assert steps[0].sum() < steps[1].sum()


@pytest.mark.parametrize(
    "case", ["few columns", "nearly as many columns as rows", "digits", "digits, each to unit variance"]
)
def test_what_is_left_to_gain_is_within_the_tolerance(case):
    X, y = load_digits(return_X_y=True)
    if "digits" in case:
        X, y = (StandardScaler().fit_transform(X) if "unit" in case else X / 16)[:600], y[:600]
    else:
        X, score = data(*((3_500, 30) if "few" in case else (700, 350)))
        X, y = X - X.mean(axis=0), (score > 0).astype(int)
    folds, alphas = list(StratifiedKFold(3).split(X, y)), np.geomspace(0.1, 1e-5, 4)
    for (rows, _), (_, path) in zip(
        folds, paths_of(GDLogisticClassifier(standardize=False), X, y, folds, alphas), strict=True
    ):
        target, share = y[rows], np.bincount(y[rows]) / len(rows)

        def objective(coef, intercept, alpha, X=X[rows], y=target):
            raw = X @ np.atleast_2d(coef).T + intercept
            raw = np.hstack([0 * raw, raw]) if raw.shape[1] == 1 else raw
            return np.mean(logsumexp(raw, axis=1) - raw[np.arange(len(y)), y]) + alpha / 2 * np.sum(coef**2)

        for k, alpha in enumerate(alphas):
            peer = LogisticRegression(C=1 / (alpha * len(rows)), tol=1e-10, max_iter=1000, solver="newton-cholesky")
            peer.fit(X[rows], target)
            least = objective(peer.coef_, peer.intercept_, alpha)
            gap = objective(path.coefs[k], path.intercepts[k], alpha) - least
            assert gap <= 2e-5 * (-share @ np.log(share) - least), (case, alpha)


def test_scores_are_those_of_single_fits():
    X, score = data(1_000, 70)
    y, weight = np.array(["no", "yes"])[(score > 0).astype(int)], 1.0 + (score > 1)
    search = AlphaSearchCV(GDLogisticClassifier(), alphas=ALPHAS, cv=3, tol=1e-12).fit(X, y)
    for k, alpha in enumerate(ALPHAS):
        peer = make_pipeline(StandardScaler(), LogisticRegression(C=1.5 / (alpha * len(y)), tol=1e-10, max_iter=10**4))
        scores = [search.cv_results_[f"split{i}_test_score"][k] for i in range(3)]
        np.testing.assert_allclose(scores, cross_val_score(peer, X, y, cv=3), atol=1.5 / len(y))
    assert search.fit(X, y, sample_weight=weight).best_score_ > 0.8


def test_alphas_that_follow_from_the_rows_are_solved_side_by_side(monkeypatch):
    monkeypatch.setattr(_alpha_search, "path_of", None)  # which solves a fold alone
    X, score = data(1_000, 70)
    search = AlphaSearchCV(GDLogisticClassifier(), n_alphas=5).fit(X, score > 0)
    slope = np.abs(StandardScaler().fit_transform(X).T @ ((score > 0) - np.mean(score > 0))).max() / len(X)
    np.testing.assert_allclose(search.cv_results_["param_alpha"][0].data, slope / 1e-3, rtol=1e-6)


def test_threads_change_no_bit():
    X, score = data(12_000, 40)
    found = [
        AlphaSearchCV(GDLogisticClassifier(), alphas=ALPHAS, n_jobs=n).fit(X, score > 0).cv_results_ for n in (1, 2, 5)
    ]
    for each in found[1:]:
        for key, scores in found[0].items():
            np.testing.assert_array_equal(each[key], scores, err_msg=key)


def test_folds_that_are_not_alike_are_solved_alone(monkeypatch):
    X, score = data(600, 70)
    y = np.digitize(score, np.quantile(score, [0.3, 0.6]))
    folds = list(StratifiedKFold(3).split(X, y))
    model, without_a_class = GDLogisticClassifier(), [(np.flatnonzero(y < 2), np.arange(10)), *folds]
    assert None not in paths_of(model, X, y, folds)
    for other, cv, alphas in (
        (model, without_a_class, ALPHAS),
        (model, list(ShuffleSplit(2, train_size=0.3, random_state=0).split(X)), ALPHAS),
        (model, folds, np.array([0.1, 0.0])),
        (GDLogisticClassifier(class_weight="balanced"), folds, ALPHAS),
        (GDLogisticClassifier(penalty="l1"), folds, ALPHAS),
        (GDLogisticClassifier(optimizer="lbfgs"), folds, ALPHAS),
        (GDLogisticClassifier(max_iter=5), folds, ALPHAS),
        (GDLogisticClassifier(criterion="gradient"), folds, ALPHAS),
    ):
        assert paths_of(other, X, y, cv, alphas) == [None] * len(cv)
    together = AlphaSearchCV(model, alphas=ALPHAS, cv=folds, tol=1e-12).fit(X, y)
    monkeypatch.setattr(side_by_side, "MOST_STEPS", 1)  # so that no fold ends
    alone, solved = [], _alpha_search.path_of
    monkeypatch.setattr(_alpha_search, "path_of", lambda *given: alone.append(given) or solved(*given))
    monkeypatch.setattr(_alpha_search, "scores_by_default", lambda *given: np.zeros(len(ALPHAS)))
    each = AlphaSearchCV(model, alphas=ALPHAS, cv=folds, tol=1e-12).fit(X, y)
    assert len(alone) == 3
    np.testing.assert_array_equal(together.cv_results_["param_alpha"], each.cv_results_["param_alpha"])


@pytest.fixture
def solvers(monkeypatch):
    """Those that paths of folds make from here on."""
    made = []

    def make(*given):
        made.append(SideBySide(*given))
        return made[-1]

    monkeypatch.setattr(_folds, "SideBySide", make)
    return made


def of_formula(X, y, params, alpha):
    """Objective of two classes and its gradient, by coefficients of columns of unit variance and the intercept."""
    Z = np.column_stack([StandardScaler().fit_transform(X), np.ones(len(X))])
    raw, ridge = Z @ params, np.r_[np.full(X.shape[1], alpha), 0]
    value = np.mean(np.logaddexp(0, raw) - y * raw) + 0.5 * ridge @ params**2
    return value, Z.T @ (expit(raw) - y) / len(y) + ridge * params


def test_under_the_next_penalty_all_is_as_if_it_had_always_been_that(solvers):
    X, score = data(1_000, 70)
    y, folds = (score > 0).astype(float), list(KFold(3).split(X))
    paths_of(GDLogisticClassifier(), X, y, folds, ALPHAS[:1])
    solver, alpha = solvers[0], 0.003
    first = solver.pairs[0]
    solver._penalise(ElasticNet(alpha, 0.0))
    np.testing.assert_allclose(solver.of_whole.ridge, np.r_[np.full(70, alpha), 0])
    of_ridge = (alpha - 0.1) * solver.rows.own_params(first.step)
    of_ridge[:, -1] = 0.0
    more = solver.rows.own_gradients(solver.pairs[0].change - first.change)
    np.testing.assert_allclose(more, of_ridge, atol=1e-9 * np.abs(of_ridge).max())
    own, last = solver.rows.own_params(solver.params), solver.pairs[-1]
    before, changes = solver.rows.own_params(solver.params - last.step), solver.rows.own_gradients(last.change)
    for k, (rows, _) in enumerate(folds):
        value, gradient = of_formula(X[rows], y[rows], own[k], alpha)
        np.testing.assert_allclose(solver.values[k], value, rtol=1e-12)
        np.testing.assert_allclose(solver.rows.own_gradients(solver.gradients)[k], gradient, atol=1e-12)
        change = gradient - of_formula(X[rows], y[rows], before[k], alpha)[1]
        np.testing.assert_allclose(changes[k], change, atol=1e-12)
        np.testing.assert_allclose(last.inverse[k] * (last.step[k] @ last.change[k]), 1.0 * last.step[k].any())


def test_nobody_leaps_to_where_the_objective_is_larger(solvers):
    X, score = data(1_000, 70)
    paths_of(GDLogisticClassifier(), X, score > 0, list(KFold(3).split(X)), ALPHAS[:1])
    solver = solvers[0]
    there, values = solver.params.copy(), solver.values.copy()
    solver.params *= 1.1
    solver.values, solver.gradients = solver._evaluate(np.arange(3), solver.params)
    guess = there.copy()
    guess[1] *= 3
    solver.past, kept = [(0.0, guess), (1.0, guess)], solver.params.copy()
    solver._leap(np.exp(2.0))
    np.testing.assert_allclose(solver.params, [there[0], kept[1], there[2]], rtol=1e-12)
    np.testing.assert_allclose(solver.values[[0, 2]], values[[0, 2]], rtol=1e-12)


def test_ends_count_all_steps_to_come_at_the_rate_of_the_last_ones(solvers):
    X, score = data(1_000, 70)
    paths_of(GDLogisticClassifier(), X, score > 0, list(KFold(3).split(X)), ALPHAS[:1])
    solver = solvers[0]
    enough = solver.tol * (solver.reference - solver.values)

    def ends(share, rate):
        """Where promises of a share of what may be left, after others that they are so large a part of, are the end."""
        return solver._converged(share * enough, share * enough / rate if rate else np.full(3, np.inf)).tolist()

    # a model of these parameters; of others; of these, and of no other rows, so that there is nothing it leaves out
    solver.is_new, solver.owns = np.array([True, False, True]), np.array([False, False, True])
    solver.curvature, solver.alike = SimpleNamespace(complete=True), True
    for rate in (0.2, 0.75):  # promises and all later ones are 1 / (1 - rate) times as large
        assert ends(0.99 * (1 - rate), rate) == [True, False, True]
        assert ends(1.01 * (1 - rate), rate) == [False, False, False]
        assert ends(0.099 * (1 - rate), rate)[1]
        assert not ends(0.101 * (1 - rate), rate)[1]
    assert ends(0.99, None) == [False, False, True]
    assert ends(0.099, None)[0]
    assert ends(0.0, None) == [True, True, True]
    solver.curvature = SimpleNamespace(complete=False)
    assert not ends(0.99, None)[2]
    # nothing is known of other directions: the ridge's curvature alone bounds what is to come
    solver.models = [Identity()] * 3
    solver.gradients = np.sqrt(2 * solver.ridge * (np.array([0.98, 1.02, 0.5]) * enough / X.shape[1])[:, None])
    assert ends(0.9, 0.5) == [True, False, True]
    assert ends(1.01, 0.5) == [False, False, False]
