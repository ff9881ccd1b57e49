"""Training by a rule on Dask's collections."""

import os
import pathlib
import re
import signal
import sys
import threading
import weakref

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import scale

from skgd import GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor
from skgd.callbacks import Checkpoint

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
pd = pytest.importorskip("pandas")
dd = pytest.importorskip("dask.dataframe")

CHUNKS = 160, 80, 0, 200, 96  # the third is empty, and the last one cut short by a batch of 40
C, CLASSES = load_breast_cancer(return_X_y=True)
C, CLASSES = scale(C)[: sum(CHUNKS)], CLASSES[: sum(CHUNKS)]
DIGITS, FIGURES = load_digits(return_X_y=True)
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def chunked(rows, chunks=CHUNKS):
    return da.from_array(rows, chunks=(chunks, *((-1,) * (rows.ndim - 1))))


def csr(rows, chunks):
    ends = np.cumsum(chunks)
    parts = [
        da.from_delayed(
            dask.delayed(rows[end - length : end]),
            (length, rows.shape[1]),
            meta=sparse.csr_matrix((0, 0), dtype=rows.dtype),
        )
        for end, length in zip(ends, chunks, strict=True)
    ]
    return da.concatenate(parts, axis=0)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_in_order_it_is_the_training_in_memory(optimizer):
    model = GDLogisticClassifier(
        optimizer=optimizer, batch_size=40, shuffle=False, standardize=False, schedule="cosine", max_iter=5, tol=None
    )
    expected = clone(model).fit(C, CLASSES)
    model.fit(chunked(C), chunked(CLASSES))
    np.testing.assert_array_equal(model.coef_, expected.coef_)
    np.testing.assert_array_equal(model.intercept_, expected.intercept_)
    np.testing.assert_allclose(model.loss_curve_, expected.loss_curve_, rtol=1e-12)


@pytest.mark.parametrize("optimizer", ["nesterov", "adam"])
def test_all_rows_at_once_are_as_in_memory(optimizer):
    model = GDLogisticClassifier(optimizer=optimizer, batch_size=None, max_iter=20, tol=None, random_state=0)
    expected = clone(model).fit(C, CLASSES)
    model.fit(chunked(C), chunked(CLASSES))
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-6)


@pytest.mark.parametrize(
    "model",
    [
        GDMLPClassifier(hidden_layer_sizes=(16,), dropout=0.1, early_stopping=True, n_restarts=2),
        GDLogisticClassifier(optimizer="adam", batch_size=16, average=True, class_weight="balanced"),
        GDLogisticClassifier(optimizer="sgd", batch_size=None),
    ],
    ids=["network", "batches", "all rows"],
)
def test_the_bits_are_those_of_the_seed_whoever_computes(model):
    model = clone(model).set_params(max_iter=4, random_state=0)
    found = []
    for scheduler, n_workers in (("synchronous", 1), ("threads", 1), ("threads", 4)):
        with dask.config.set(scheduler=scheduler, num_workers=n_workers):
            fitted = clone(model).set_params(n_jobs=n_workers).fit(chunked(C), chunked(CLASSES))
        found.append((fitted._training.params, fitted.loss_curve_))
    for params, losses in found[1:]:
        np.testing.assert_array_equal(params, found[0][0])
        np.testing.assert_array_equal(losses, found[0][1])


def test_a_network_is_as_good_as_that_of_scikit_learn():
    train = np.random.default_rng(0).permutation(len(DIGITS))[:1200]
    test = np.setdiff1d(np.arange(len(DIGITS)), train)
    chunks = 500, 300, 0, 400
    peer = MLPClassifier(max_iter=60, random_state=0).fit(DIGITS[train], FIGURES[train])
    model = GDMLPClassifier(max_iter=60, random_state=0)
    model.fit(chunked(DIGITS[train], chunks), chunked(FIGURES[train], chunks))
    assert model.score(DIGITS[test], FIGURES[test]) > peer.score(DIGITS[test], FIGURES[test]) - 0.01


def test_data_frames_with_validation_rows_in_frames():
    frame = pd.DataFrame(C).rename(columns=str).assign(label=np.where(CLASSES, "good", "bad"))
    parts = dd.from_pandas(frame, npartitions=4, sort=False)
    names = [name for name in frame if name != "label"]
    model = GDMLPClassifier(hidden_layer_sizes=(8,), max_iter=30, early_stopping=True, random_state=0)
    model.fit(parts[names], parts["label"], X_val=parts[names], y_val=parts["label"])
    assert list(model.classes_) == ["bad", "good"]
    assert model.n_iter_ == len(model.validation_curve_)
    np.testing.assert_allclose(model.best_validation_score_, model.score(frame[names], frame["label"]))
    assert model.best_validation_score_ > 0.97


def test_sparse_rows_of_many_columns():
    rows = sparse.random(500, 2000, 0.005, format="csr", random_state=0)
    y = rows @ np.random.default_rng(0).standard_normal(2000)
    chunks = 200, 60, 240
    model = GDLinearRegressor(optimizer="adagrad", batch_size=4, shuffle=False, max_iter=20, tol=None)
    expected = clone(model).fit(rows, y)
    model.fit(csr(rows, chunks), chunked(y, chunks))
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-6, atol=1e-9)


def test_networks_take_frames_of_sparse_columns_as_csr():
    rows = sparse.random(400, 30, 0.1, format="csr", random_state=0)
    y, lengths = np.asarray(rows.sum(axis=1)).ravel(), (100,) * 4
    frame = dd.from_pandas(pd.DataFrame.sparse.from_spmatrix(rows), npartitions=4)
    one = GDMLPRegressor(hidden_layer_sizes=(8,), max_iter=5, early_stopping=True, random_state=0)
    other = clone(one).fit(frame, dd.from_pandas(pd.Series(y), npartitions=4))
    one.fit(csr(rows, lengths), chunked(y, lengths))
    assert not one._training.scaling.center.any()  # CSR isn't centred
    np.testing.assert_array_equal(other._training.params, one._training.params)
    np.testing.assert_array_equal(other.predict(frame).compute(), one.predict(rows))
    assert float(other.score(frame, chunked(y, lengths))) == pytest.approx(one.score(rows, y), abs=1e-12)


def test_gaps_in_parts_are_filled_as_the_error_says():
    rows, y, lengths = C[:400].copy(), CLASSES[:400], (100,) * 4
    rows[[7, 350], [0, 3]] = np.nan
    model = GDMLPClassifier(hidden_layer_sizes=(4,), max_iter=2, random_state=0)
    expected = clone(model).fit(chunked(SimpleImputer().fit_transform(rows), lengths), chunked(y, lengths))
    frames = [dd.from_pandas(each, npartitions=4) for each in (pd.DataFrame(rows), pd.Series(y))]
    for way, (X, y_parts) in enumerate((frames, (chunked(rows, lengths), chunked(y, lengths)))):
        with pytest.raises(ValueError, match=r"partition [03]: .*contains NaN") as refused:
            clone(model).fit(X, y_parts)
        said = re.search("give (.*) in place of a data frame X, (.*) in place of an array", str(refused.value))
        fitted = clone(model).fit(eval(said[1 + way], {"X": X, "np": np}), y_parts)
        np.testing.assert_allclose(fitted.coefs_[0], expected.coefs_[0], rtol=1e-9)


def test_a_fit_that_was_killed_goes_on_to_the_same_bits(at_epoch, tmp_path):
    pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")
    path, data = tmp_path / "fit.npz", (chunked(C), chunked(CLASSES))
    model = GDMLPClassifier(hidden_layer_sizes=(8,), dropout=0.1, early_stopping=True, max_iter=8, random_state=0)
    whole = clone(model).fit(*data)

    def dies():
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        clone(model).set_callbacks(Checkpoint(path), at_epoch(5, dies)).fit(*data)
    with dask.config.set(scheduler="synchronous"):
        resumed = clone(model).set_params(random_state=None).resume(path, *data)
    np.testing.assert_array_equal(resumed._training.params, whole._training.params)
    np.testing.assert_array_equal(resumed.validation_curve_, whole.validation_curve_)


class Files:
    """Rows that are read part by part, and counted as long as they are held."""

    def __init__(self, lengths, interrupts_after=np.inf):
        self.lengths, self.alive, self.most = lengths, 0, []
        self.lock, self.interrupts_after, self.go = threading.Lock(), interrupts_after, threading.Event()

    def read(self, number):
        with self.lock:
            self.most.append(self.alive + 1)  # this one, too
            self.alive += 1
            n_read = len(self.most)
        if n_read > self.interrupts_after:
            if n_read == self.interrupts_after + 1:
                os.kill(os.getpid(), signal.SIGINT)
            assert self.go.wait(60)
        rows = np.random.default_rng(number).standard_normal((self.lengths[number], 4))
        weakref.finalize(rows, self._forget)
        return rows

    def _forget(self):
        with self.lock:
            self.alive -= 1

    @property
    def collection(self):
        parts = [
            da.from_delayed(dask.delayed(self.read, pure=False)(k), (n, 4), dtype=float)
            for k, n in enumerate(self.lengths)
        ]
        return da.concatenate(parts, axis=0)


@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
def test_three_parts_are_held_at_most(scheduler):
    files = Files([300] * 12)
    y = np.concatenate([np.random.default_rng(k).standard_normal((300, 4))[:, 0] for k in range(12)])
    model = GDMLPRegressor(hidden_layer_sizes=(50,), max_iter=4, random_state=0)
    with dask.config.set(scheduler=scheduler):
        model.fit(files.collection, chunked(y, (300,) * 12))
    assert len(files.most) == 12 * (1 + 4)  # once to look at, once an epoch
    assert 2 <= max(files.most[12:]) <= 3
    assert files.alive <= 1  # in a thread of Dask's, perhaps


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_ctrl_c_does_not_wait_for_what_is_being_read():
    files = Files([100] * 4, interrupts_after=4 + 6)  # in the second epoch, where nothing comes any more
    model = GDLinearRegressor(optimizer="adam", batch_size=10, max_iter=5, tol=None, random_state=0)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            model.fit(files.collection, chunked(np.arange(400.0), (100,) * 4))
        assert not files.go.is_set()
        assert (model.stop_reason_, model.n_iter_) == ("interrupted", 1)
    finally:
        files.go.set()
        signal.signal(signal.SIGINT, before)


def test_an_error_while_reading_names_the_part():
    rows = C.copy()
    rows[250, 0] = np.nan
    for model in (GDLogisticClassifier(optimizer="adam"), GDMLPClassifier(max_iter=2)):
        with pytest.raises(ValueError, match=r"partition 3: .*NaN"):
            model.fit(chunked(rows), chunked(CLASSES))


def test_frames_of_a_file(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(C).rename(columns=str).assign(label=CLASSES)
    for k in range(4):
        frame[k * 130 : (k + 1) * 130].to_parquet(pathlib.Path(tmp_path) / f"{k}.parquet")
    read = dd.read_parquet(tmp_path)
    names = [name for name in frame if name != "label"]
    model = GDLogisticClassifier(optimizer="adam", batch_size=10, shuffle=False, max_iter=5, tol=None)
    expected = clone(model).fit(frame[names][:520], CLASSES[:520])
    model.fit(read[names], read["label"])
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9)
