"""Compiled code: what it is kept under on disk, what happens when numba or the disk fail, what users' code raises."""

import errno
import gc
import importlib
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import textwrap
import time
import types
import warnings

import numpy as np
import pytest

import skgd
from skgd import GDLinearRegressor, GDMLPRegressor
from skgd._compile import cache, intrinsics, jit, memory, private
from skgd._compile.jit import bound, compiled, have_numba
from skgd._compile.kernels import _kernel, without_denormals
from skgd._kernels import matrices, newton, stopping, vectors
from skgd._kernels.matrices import matrix_at
from skgd._kernels.structures import Linear
from skgd.activations import Activation
from skgd.losses import Loss
from skgd.optimizers import Optimizer

pytestmark = pytest.mark.skipif(not have_numba(), reason="nothing is compiled")
PACKAGE = pathlib.Path(skgd.__file__).parent
VECTOR = "f8[::1]"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty place for compiled code, and nothing remembered of any other."""
    import numba

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "of the user"))
    monkeypatch.setattr(cache, "_is_writable", True)
    cache._clean_up.cache_clear()
    return tmp_path / "cache" / f"skgd-{cache.sources_digest()}"


def compile_anew():
    """A small function as a process compiles it that begins, tried, and whether it came from the disk."""
    function = compiled.__wrapped__(vectors.add_into, f"void({VECTOR}, {VECTOR})")
    a = np.arange(3.0)
    function(a, np.ones(3))
    np.testing.assert_array_equal(a, [1.0, 2.0, 3.0])
    return sum(function.stats.cache_hits.values()) == 1


@pytest.mark.parametrize("is_collected", [True, False])
def test_garbage_is_left_for_the_time_of_a_compilation_alone(is_collected):
    def fail():
        with jit._without_collection():
            assert not gc.isenabled()
            raise ArithmeticError

    was_collected = gc.isenabled()
    try:
        (gc.enable if is_collected else gc.disable)()
        with pytest.raises(ArithmeticError):
            fail()
        assert gc.isenabled() == is_collected
    finally:
        (gc.enable if was_collected else gc.disable)()


# -- the cache on disk


def test_what_is_compiled_once_is_loaded_afterwards(folder):
    assert not compile_anew()
    (file,) = folder.iterdir()
    written = file.stat().st_mtime_ns
    assert compile_anew()
    assert compile_anew()
    assert [file] == list(folder.iterdir())
    assert file.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    "damage",
    [
        lambda code: b"",
        lambda code: code[: len(code) // 2],
        lambda code: b"\x80" * 9999,
        lambda code: code + b"\0",  # what could be loaded all the same: nothing but the checksum tells
    ],
)
def test_a_damaged_file_is_written_anew(folder, damage):
    compile_anew()
    (file,) = folder.iterdir()
    whole = len(file.read_bytes())
    file.write_bytes(damage(file.read_bytes()))
    assert not compile_anew()
    assert [file] == list(folder.iterdir())
    assert len(file.read_bytes()) == pytest.approx(whole, rel=0.1)
    assert compile_anew()


def test_the_types_of_results_are_found_once(monkeypatch):
    import numba
    from numba.core.types.functions import BaseFunction

    asked = []
    find = BaseFunction.get_call_type
    monkeypatch.setattr(BaseFunction, "get_call_type", lambda *of: asked.append(of) or find(*of))

    def times_asked(options, kind):
        asked.clear()
        function = numba.njit(f"{kind}({kind}, {kind}[::1])", **options)(lambda a, b: (a - b[0]) * (a - b[1]) - a)
        assert function(7, np.array([5, 4], kind)) == (7 - 5) * (7 - 4) - 7
        return len(asked)

    ours = private.compilers().whole
    for kind in ["f8", "i8"]:
        assert times_asked(ours, kind) <= 5 < 6 <= times_asked({}, kind)  # 2 elements, 3 differences and a product
        assert times_asked(ours, kind) == 0
    assert times_asked({"fastmath": True, **ours}, "f8") > 0  # each kind of code has a memory of its own


def test_flags_that_are_known_are_numbas():
    from numba.core.compiler import Flags

    known_flags, _ = memory.make_memory()
    flags = Flags()
    flags.nrt = True
    known = known_flags(flags)
    assert known == flags
    assert hash(known) == hash(flags)
    changed = known.copy()
    changed.nrt = False
    assert changed == Flags() != known
    assert changed.values() == flags.values() | {"nrt": False}


def test_loops_are_not_unrolled_beyond_vectors():
    from llvmlite import binding as llvm
    from numba.core.registry import cpu_target

    codegen = cpu_target.target_context.codegen()
    if not hasattr(codegen, "_pass_builder"):
        pytest.skip("this numba's passes can't be told so")
    source = """define i64 @f(ptr %p, i64 %n) {
entry: br label %loop
loop: %i = phi i64 [0, %entry], [%next, %loop]
%state = phi i64 [1, %entry], [%new, %loop]
%at = getelementptr i64, ptr %p, i64 %i
%x = load i64, ptr %at
%with = xor i64 %x, %state
%new = mul i64 %with, 3
%next = add i64 %i, 1
%more = icmp ult i64 %next, %n
br i1 %more, label %loop, label %end
end: ret i64 %new }"""

    def loads(codegen):
        module = llvm.parse_assembly(source)
        passes, builder = codegen._module_pass_manager()
        passes.run(module, builder)
        return str(module).count("load i64")

    assert loads(private._without_unrolling(codegen)) == 1 < loads(codegen)
    assert private._without_unrolling("an older one") == "an older one"


@pytest.mark.parametrize(("kind", "is_optimised"), [("part", False), ("loop", True)])
def test_parts_are_optimised_with_what_they_belong_to(kind, is_optimised):
    """And loops by themselves before."""
    import numba

    options = getattr(private.compilers(), kind) | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    part = numba.njit(**options)(lambda a: a if a > 0 else -a)
    part.compile("f8(f8)")
    (result,) = part.overloads.values()
    assert ("alloca" in result.library.get_llvm_str()) is not is_optimised


def test_passes_are_numbas_but_for_unrolling(monkeypatch):
    """Vectors of straight code, which numba leaves out, too, made networks of 100 units a fifth slower."""
    from numba.core import config
    from numba.core.registry import cpu_target

    of = cpu_target.target_context.codegen()
    if not hasattr(of, "_pass_builder"):
        pytest.skip("this numba's passes can't be told so")
    asked = []
    tuning, own = types.SimpleNamespace(), "llvmlite.binding.create_pipeline_tuning_options"
    monkeypatch.setattr(own, lambda level: asked.append(level) or tuning)
    monkeypatch.setattr("llvmlite.binding.create_pass_builder", lambda *_: None)
    private._without_unrolling(of)._pass_builder()
    assert asked == [int(config.OPT)]
    wanted = {"loop_vectorization": config.LOOP_VECTORIZE, "slp_vectorization": config.SLP_VECTORIZE}
    assert vars(tuning) == wanted | {"loop_unrolling": False}


def test_code_that_numba_cannot_load_is_compiled(folder):
    import hashlib
    import pickle

    compile_anew()
    (file,) = folder.iterdir()
    content = pickle.dumps(("something", "else"))
    file.write_bytes(hashlib.sha256(content).digest() + content)
    assert not compile_anew()
    assert compile_anew()


def test_a_full_disk_costs_one_warning(folder, monkeypatch):
    def no_room(path, content):
        with open(path, "wb") as file:
            file.write(content[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_bytes", no_room)
    with pytest.warns(RuntimeWarning, match="can't be kept on disk.*No space left.*NUMBA_CACHE_DIR") as caught:
        assert not compile_anew()
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not compile_anew()
    for place in folder.parents[1].rglob("*"):
        assert place.is_dir()  # nothing half written stays


def test_where_nothing_can_be_written_the_users_folder_serves(folder, tmp_path):
    (tmp_path / "cache").write_text("a file, where a folder should be")
    assert not compile_anew()
    assert len(list((tmp_path / "of the user").rglob("*.code"))) == 1
    assert compile_anew()


def test_where_nothing_can_be_written_at_all_a_fit_works_with_one_warning(folder, tmp_path):
    for name in ("cache", "of the user"):
        (tmp_path / name).write_text("a file, where a folder should be")
    with pytest.warns(RuntimeWarning, match="can't be kept on disk") as caught:
        assert not compile_anew()
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not compile_anew()


@pytest.mark.parametrize("part", ["_environment", "sources_digest"])
def test_code_of_another_machine_or_version_is_not_loaded(folder, part, monkeypatch):
    compile_anew()
    monkeypatch.setattr(cache, part, lambda: "another")
    assert not compile_anew()
    assert compile_anew()


@pytest.mark.parametrize("of", ["numba", "llvmlite", "processor", "python"])
def test_the_name_of_a_file_tells_versions_and_the_processor(folder, of, monkeypatch):
    from numba.core.registry import cpu_target

    monkeypatch.setattr(cache, "_environment", cache._environment.__wrapped__)
    compile_anew()
    if of == "processor":
        codegen = type(cpu_target.target_context.codegen())
        kind, name, features = cpu_target.target_context.codegen().magic_tuple()
        monkeypatch.setattr(codegen, "magic_tuple", lambda self: (kind, f"another {name}", features))
    elif of == "python":
        monkeypatch.setattr(cache.sys, "version", "another")
    else:
        monkeypatch.setattr(importlib.import_module(of), "__version__", "another")
    assert not compile_anew()
    assert compile_anew()
    assert len(list(folder.iterdir())) == 2


def test_functions_that_differ_in_their_parts_or_signature_have_files_of_their_own():
    def names(*arguments):
        return cache.DiskCache(*arguments)._file_name()

    assert bound(vectors.add_into, forward=vectors.largest) is vectors.add_into  # which names no such function
    activations = [skgd.activations.ReLU, skgd.activations.Tanh]
    from skgd._kernels import network
    from skgd._kernels.layers import activate

    parts = [jit._name(bound(activate, function=activation.function)) for activation in activations]
    assert len({names(part, "void(f8)", "options") for part in [*parts, "activate"]}) == 3
    rows = {"copy_rows": network.leave_rows, "product_in_place": network.sparse_product}
    one_after_the_other = network.network_forward
    for name, part in rows.items():
        one_after_the_other = bound(one_after_the_other, **{name: part})
    assert jit._name(one_after_the_other) == jit._name(bound(network.network_forward, **rows))
    assert len({names("activate", signature, "options") for signature in ("void(f8)", "void(f4)")}) == 2
    assert len({names("activate", "void(f8)", options) for options in ("lean", "other")}) == 2


def test_folders_in_use_stay_young(folder):
    compile_anew()
    for hours, is_marked in (1, False), (72, True):  # once a day
        os.utime(folder, (time.time() - hours * 3600,) * 2)
        cache._mark_as_used.cache_clear()
        assert compile_anew()
        assert (time.time() - folder.stat().st_mtime < 600) == is_marked


def test_old_code_goes_where_nobody_shares_the_folder(folder, tmp_path, monkeypatch):
    import numba

    old, young, alien = (tmp_path / "cache" / name for name in ("skgd-old", "skgd-young", "theirs"))
    for place in (old, young, alien):
        place.mkdir(parents=True)
        (place / "code").write_text("")
    for place in (old, alien):
        os.utime(place, (time.time() - 31 * 24 * 3600,) * 2)
    compile_anew()
    assert [place.exists() for place in (old, young, alien)] == [False, True, True]
    # beside the package
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(cache, "PACKAGE", tmp_path / "package")
    beside = tmp_path / "package" / "__pycache__"
    for place in (beside / "skgd-young", tmp_path / "package" / "_kernels" / "__pycache__"):
        place.mkdir(parents=True)
        for name in ("code", "linear.old.nbi", "linear.old.1.nbc", "linear.pyc"):
            (place / name).write_text("")
    compile_anew()
    assert not (beside / "skgd-young").exists()
    assert {path.name for path in (tmp_path / "package" / "_kernels" / "__pycache__").iterdir()} == {
        "code",
        "linear.pyc",
    }
    assert len(list((beside / folder.name).iterdir())) == 1


PASS = """
    import json
    import numpy as np
    from skgd._compile.kernels import kernel
    from skgd._kernels.structures import Linear, SparseFeatures

    def frozen(array):
        array.flags.writeable = False
        return array

    backward = kernel("backward", np.dtype(float), Linear, np.dtype(np.int32))
    features = SparseFeatures(
        frozen(np.array([2.0])), frozen(np.zeros(1, np.int32)), frozen(np.array([0, 1])), np.zeros(2), np.ones(2)
    )
    grads = np.full(3, 7.0)
    backward(features, np.zeros(1, np.int64), Linear(True), np.zeros(3), np.empty(0), np.array([[3.0]]), grads)
    print(json.dumps([grads.tolist(), sum(backward.stats.cache_hits.values())]))
"""


def start(script, folder=None, **environment):
    environment = {name: value for name, value in (os.environ | environment).items() if value}
    arguments = [sys.executable, "-c", textwrap.dedent(script)]
    return subprocess.Popen(
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=folder,
    )


def answer_of(process):
    output, errors = process.communicate()
    assert process.returncode == 0, errors[-2000:]
    assert not errors
    return json.loads(output)


# Processes that begin with all imported that others need, and import skgd by themselves; one after each line of input,
# or as many at once as it says.
PROCESSES = """
    import os, sys, warnings
    import numba.core.dispatcher, numba.core.registry, numpy, scipy.sparse, sklearn.base

    assert "skgd" not in sys.modules
    warnings.simplefilter("ignore", DeprecationWarning)  # of copies beside BLAS's threads, which do nothing yet
    for line in sys.stdin:
        started = []
        for _ in range(int(line)):
            read, write = os.pipe()
            if (process := os.fork()) == 0:
                os.dup2(write, 1)
                exec({script!r}, {{}})
                sys.stdout.flush()
                os._exit(0)
            os.close(write)
            started.append((process, read))
        for process, read in started:
            assert os.waitpid(process, 0)[1] == 0
            print(os.read(read, 1000).decode().strip(), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that begin as copies")
def test_an_upgrade_never_runs_the_old_code_and_processes_that_start_together_share_a_folder(tmp_path):
    # another file than the kernel's changes, as in a new release; what the old one has compiled stays where it is
    package = tmp_path / "site" / "skgd"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    where = {"PYTHONPATH": str(package.parent), "NUMBA_CACHE_DIR": "", "XDG_CACHE_HOME": str(tmp_path)}
    processes = start(PROCESSES.format(script=textwrap.dedent(PASS)), tmp_path, **where)

    def run(n=1):
        print(n, file=processes.stdin, flush=True)
        return [json.loads(processes.stdout.readline()) for _ in range(n)]

    assert run() == [[[6.0, 0.0, 3.0], 0]]
    helpers = package / "_kernels" / "vectors.py"
    status = helpers.stat()
    changed = helpers.read_text().replace("        target[j] = 0\n", "        target[j] = 1\n")
    assert changed != helpers.read_text()
    helpers.write_text(changed)
    os.utime(helpers, ns=(status.st_atime_ns, status.st_mtime_ns))
    shutil.rmtree(helpers.parent / "__pycache__", ignore_errors=True)  # which goes by time and size
    assert [answer for answer, _ in run(2)] == [[7.0, 1.0, 4.0]] * 2
    (folder,) = package.rglob("skgd-*")
    assert len(list(folder.iterdir())) == 1
    assert run() == [[[7.0, 1.0, 4.0], 1]]
    _, errors = processes.communicate()
    assert not errors


# -- numba's private parts


@pytest.fixture
def fresh(folder, monkeypatch):
    """What is known of numba's private parts is forgotten, before and after."""
    cached = private.warn_without, private._refused_options, jit._compiled_part, intrinsics.intrinsic_for
    monkeypatch.setattr(intrinsics, "_given_up", [])

    def forget():
        for function in cached:
            function.cache_clear()

    forget()
    yield
    forget()


def test_options_that_numba_has_given_up(fresh, monkeypatch):
    from numba.core.options import TargetOptions

    parse = TargetOptions.parse_as_flags.__func__

    def without(cls, flags, options):
        if unknown := {"_nrt", "forceinline"} & set(options):
            raise KeyError(f"Unrecognized options: {unknown}")
        return parse(cls, flags, options)

    monkeypatch.setattr(TargetOptions, "parse_as_flags", classmethod(without))
    with pytest.warns(RuntimeWarning, match="without the option .* of numba .*slower") as caught:
        function = compiled.__wrapped__(bound(call_of_largest, largest=vectors.largest), f"f8({VECTOR})")
    assert function(np.array([1.0, -3.0])) == 3.0
    assert sorted(str(warning.message).split()[5] for warning in caught) == ["_nrt", "forceinline"]


def call_of_largest(vector):
    return largest(vector)  # noqa: F821


@pytest.mark.parametrize("what", ["typeof", "name", "call"])
def test_addresses_that_are_not_taken(fresh, what, monkeypatch):
    import numba
    from numba.core.callconv import CPUCallConv
    from numba.core.funcdesc import FunctionDescriptor

    if what == "typeof":
        typeof = numba.typeof
        monkeypatch.setattr(numba, "typeof", lambda value: typeof(1))
    elif what == "name":
        monkeypatch.delattr(FunctionDescriptor, "llvm_func_name")
    else:
        monkeypatch.delattr(CPUCallConv, "call_function")
    with pytest.warns(RuntimeWarning, match="without the addresses of functions of numba"):
        assert private._address_type.__wrapped__() is None


@pytest.fixture
def without_addresses(fresh, monkeypatch):
    monkeypatch.setattr(private, "_address_type", lambda: None)


def test_without_addresses_functions_travel_as_numba_has_it(without_addresses):
    from numba.core.types import FunctionType

    signature = f"void({VECTOR}, {VECTOR})"
    function = compiled.__wrapped__(vectors.add_into, signature)
    assert function.pointer is function
    (result,) = function.overloads.values()
    assert isinstance(private.function_type(result.signature), FunctionType)
    assert result.library.get_pointer_to_function(result.fndesc.llvm_cfunc_wrapper_name)


def test_a_function_for_kernels_can_be_called_by_python_and_is_not_compiled_for_that_again(monkeypatch):
    signature = f"void({VECTOR}, {VECTOR})"
    pointer = jit.pointer(vectors.subtract_from, signature)
    (result,) = pointer.dispatcher.overloads.values()
    assert result.library.get_pointer_to_function(result.fndesc.llvm_cpython_wrapper_name) == 0
    assert result.library.get_pointer_to_function(result.fndesc.llvm_cfunc_wrapper_name) == 0
    assert result.library.get_pointer_to_function(result.fndesc.llvm_func_name) == pointer.address
    taken = []
    monkeypatch.setattr(
        jit, "compiled", lambda function, *of, **how: taken.append(function) or compiled(function, *of, **how)
    )
    a = np.arange(3.0)
    pointer(a, np.ones(3))
    assert len(taken) == 1
    assert taken[0] is not vectors.subtract_from
    np.testing.assert_array_equal(a, [-1.0, 0.0, 1.0])


def test_a_kernel_that_only_python_calls_has_no_code_for_kernels():
    (result,) = _kernel("moments", np.dtype(float), Linear, None, None).overloads.values()
    assert result.library.get_pointer_to_function(result.fndesc.llvm_cfunc_wrapper_name) == 0


def test_a_function_for_kernels_without_addresses(without_addresses):
    compiled.cache_clear()
    function = jit.pointer(vectors.subtract_from, f"void({VECTOR}, {VECTOR})")
    compiled.cache_clear()
    a = np.arange(3.0)
    function(a, np.ones(3))
    np.testing.assert_array_equal(a, [-1.0, 0.0, 1.0])


def test_a_fit_without_addresses_is_the_same(answer_here, answer_of_a_copy):
    fit = """
        import functools, json, warnings
        import numpy as np
        from skgd import GDLinearRegressor
        from skgd._compile import jit, kernels, private, types
        if {breaks}:
            private._address_type = lambda: None
            for module in jit, kernels, types:
                for each in vars(module).values():
                    if isinstance(each, functools._lru_cache_wrapper):
                        each.cache_clear()
        X = np.random.RandomState(0).normal(size=(60, 3))
        fitted = GDLinearRegressor(optimizer="adam", max_iter=3, tol=None, random_state=0).fit(X, X @ [1.0, 2.0, 3.0])
        print(json.dumps([fitted.coef_.tolist(), "no_cfunc_wrapper" in private.unused_by_addresses()]))
    """
    whole, without = answer_here(fit.format(breaks=False)), answer_of_a_copy(fit.format(breaks=True))
    assert (whole[1], without[1]) == (True, False)
    assert whole[0] == without[0]


def call_twice(function, a, b):
    function(a, b)
    function(a, b)


def test_a_function_that_is_passed_is_called_and_raises_through_what_it_is_passed_to():
    import numba

    def halve(a, b):
        if b[0] == 0.0:
            raise ArithmeticError("nothing to take")
        a -= b

    vector = numba.float64[::1]
    of = numba.void(vector, vector)
    caller = jit.compiled(call_twice, numba.void(private.function_type(of), vector, vector), False)
    pointer = jit.compiled(halve, of, False).pointer
    a = np.arange(3.0)
    caller(pointer, a, np.ones(3))
    np.testing.assert_array_equal(a, [-2.0, -1.0, 0.0])
    with pytest.raises(ArithmeticError, match="nothing to take"):
        caller(pointer, a, np.zeros(3))


@pytest.mark.parametrize("result", [types.SimpleNamespace(), types.SimpleNamespace(entry_point=None)])
def test_entries_that_are_not_there(fresh, result):
    dispatcher = types.SimpleNamespace(overloads={"signature": result})
    with pytest.warns(RuntimeWarning, match="without the entries of functions of numba .* slower"):
        assert private.entry_of(dispatcher) is dispatcher


def test_an_entry_does_what_the_dispatcher_does(fresh):
    function = compiled.__wrapped__(vectors.add_into, f"void({VECTOR}, {VECTOR})")
    total = np.array([1.0, 2.0])
    private.entry_of(function)(total, np.array([10.0, 20.0]))
    np.testing.assert_array_equal(total, [11.0, 22.0])
    assert private.entry_of(vectors.add_into) is vectors.add_into


def test_a_dispatcher_without_a_cache(fresh):
    class Dispatcher:
        pass

    dispatcher = Dispatcher()
    with pytest.warns(RuntimeWarning, match="without the cache of numba .*every process compiles anew"):
        private.cache_on_disk(dispatcher, object())
    assert not hasattr(dispatcher, "_cache")


def test_where_numba_finds_no_place_for_its_cache_kernels_compile_all_the_same(folder, monkeypatch):
    import numba.core.dispatcher

    def no_locator(py_func):
        raise RuntimeError(f"cannot cache function {py_func.__qualname__!r}: no locator available")

    monkeypatch.setattr(numba.core.dispatcher, "FunctionCache", no_locator)
    assert not compile_anew()


@pytest.mark.parametrize("what", ["signature", "product", "capsule"])
def test_a_blas_that_is_another(fresh, what, monkeypatch):
    from scipy.linalg import cython_blas

    intrinsics._gemm_address.cache_clear()
    monkeypatch.setattr(intrinsics._gemm_address, "__wrapped__", intrinsics._gemm_address.__wrapped__)
    if what == "signature":
        monkeypatch.setattr(intrinsics, "SIGNATURE", intrinsics.SIGNATURE.replace("int*", "npy_int64*"))
    elif what == "product":
        monkeypatch.setitem(intrinsics.GEMM, np.dtype(np.float64), "dsymm")
    else:
        monkeypatch.delitem(cython_blas.__pyx_capi__, "dgemm")
    with pytest.warns(RuntimeWarning, match="without BLAS.* of numba .*loops"):
        assert intrinsics.intrinsic_for(matrices.multiply) is None
    assert intrinsics.gemm_address(np.dtype(float)) == 0
    assert intrinsics.intrinsic_for(matrices.matrix_at) is not None
    intrinsics._gemm_address.cache_clear()


@pytest.mark.parametrize("of_python", [max, min])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64])
def test_the_larger_and_the_smaller_of_two_are_as_pythons(of_python, kind):
    import numba

    chosen = intrinsics.intrinsic_for(of_python)
    function = numba.njit(lambda first, second: chosen(first, second))
    for first in [kind(3), kind(-2), kind(0)]:
        for second in [np.nan, -np.inf, np.inf, 0.0, -0.0, 2.5, 4]:
            for pair in [(first, second), (second, first)]:
                np.testing.assert_equal(float(function(*pair)), float(of_python(*pair)))  # signs of zeros included


def test_without_such_comparisons_kernels_take_numbas(fresh, monkeypatch):
    monkeypatch.setitem(intrinsics.INTRINSICS, max, lambda: exec("raise AttributeError('gone')"))
    intrinsics.intrinsic_for.cache_clear()
    with pytest.warns(RuntimeWarning, match="without comparisons .*: compiling takes longer"):
        function = compiled.__wrapped__(stopping.to_come, "f8(f8, f8)")
    assert function(0.5, 1.0) == stopping.to_come(0.5, 1.0) == 1.0
    intrinsics.intrinsic_for.cache_clear()


FITS = """
    import json, warnings
    import numba
    import numpy as np
    from skgd import GDLinearRegressor, GDMLPRegressor
    from skgd._compile import intrinsics, jit, kernels, private
    from skgd._kernels.matrices import matrix_at, multiply

    def broken():
        from numba import types
        from numba.extending import intrinsic

        @intrinsic
        def matrix_at(typingctx, vector, start, n_rows, n_columns):
            def generate(context, builder, signature, args):
                raise AttributeError("gone")

            return types.Array(vector.dtype, 2, "C")(vector, types.int64, types.int64, types.int64), generate

        return matrix_at

    def compile_anew(function, *how):
        # nothing serves that was compiled with the intrinsics
        numba.config.CACHE_DIR = {folder!r} if jit._calls(function, [matrix_at, multiply]) else kept
        return compile_or_load(function, *how)

    if {breaks}:
        kept, compile_or_load, jit._compiled = numba.config.CACHE_DIR, jit._compiled, compile_anew
        for module in (jit, kernels, intrinsics, private):
            for function in vars(module).values():
                getattr(function, "cache_clear", int)()
        intrinsics.INTRINSICS[matrix_at] = broken
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 20))
    y = X[:, 0] + rng.normal(size=60)
    found, few = [], dict(hidden_layer_sizes=(12, 10), max_iter=3, tol=None, random_state=0, optimizer="lbfgs")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found.append(GDLinearRegressor().fit(X, y).predict(X).tolist())
        of_linear = len(caught)
        found.append(GDMLPRegressor(**few).fit(X, y).predict(X).tolist())
    print(json.dumps([found, of_linear, [str(warning.message) for warning in caught]]))
"""


def test_a_broken_intrinsic_of_networks_stops_neither_them_nor_linear_models(tmp_path, answer_here, answer_of_a_copy):
    whole = answer_here(FITS.format(breaks=False, folder=""))
    without = answer_of_a_copy(FITS.format(breaks=True, folder=str(tmp_path)))
    assert list(tmp_path.rglob("*.code"))
    assert whole[1:] == [0, []]
    assert without[1] == 0
    assert sorted(message.partition(" of numba")[0] for message in without[2]) == [
        "skgd does without BLAS, by way",
        "skgd does without comparisons by way of the intrinsics",
        "skgd does without views by way of the intrinsics",
    ]
    for ours, other in zip(whole[0], without[0], strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-9)


def memory_behind_views(vector):
    own, total = vector + 1.0, 0.0
    for k in range(3):
        view = matrix_at(own, k, 2, 2)
        total += view[1, 1]
    other = vector - 1.0  # in the place of `own`, if that was given back
    return total, own, other


def test_where_numba_counts_references_views_are_counted_too(fresh, monkeypatch):
    # a view that is none is given back once too often: the memory of others is lost
    monkeypatch.setattr(private, "_refused_options", lambda: frozenset({"_nrt"}))
    signature = f"Tuple((f8, {VECTOR}, {VECTOR}))({VECTOR})"
    function = compiled.__wrapped__(bound(memory_behind_views, matrix_at=matrices.matrix_at), signature)
    vector = np.arange(1000.0)
    for _ in range(5):
        total, own, other = function(vector)
        assert total == 4.0 + 5.0 + 6.0
        np.testing.assert_array_equal(own, vector + 1)
        np.testing.assert_array_equal(other, vector - 1)


# -- exceptions in users' code


def frames(n=40):
    X = np.linspace(-1, 1, 2 * n).reshape(n, 2)
    return X, X[:, 0] + 3


class FailingLoss(Loss):
    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        total = 0.0
        for i in range(raw.shape[0]):
            residual = raw[i, 0] - y[i, 0]
            if abs(residual) > 50.0:
                raise ValueError("a residual beyond all bounds")
            derivative[i, 0] = weight[i] * residual
            total += 0.5 * weight[i] * residual * residual
        return total


class FailingRule(Optimizer):
    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        if t == 1500:
            raise ValueError("too many updates")
        for j in range(params.size):
            params[j] -= learning_rate * grads[j]


class FailingActivation(Activation):
    @staticmethod
    def function(z):
        if z > 40.0:
            raise ValueError("too much for a unit")
        return z

    @staticmethod
    def derivative(z, a):
        return 1.0


@pytest.mark.parametrize("batch_size", [4, None])
def test_exceptions_in_compiled_losses_surface(batch_size):
    X, y = frames()
    settings = {"loss": FailingLoss(), "optimizer": "sgd", "learning_rate": 0.01, "standardize": False}
    model = GDLinearRegressor(**settings, batch_size=batch_size, max_iter=5, tol=None).fit(X, y)
    before = model.coef_.copy()
    y = y.copy()
    y[7] = 1e3
    with pytest.raises(ValueError, match="a residual beyond all bounds"):
        model.fit(X, y)
    np.testing.assert_array_equal(model.coef_, before)


def test_exceptions_in_losses_surface_from_line_searches():
    X, y = frames()
    y = y.copy()
    y[7] = 1e3
    with pytest.raises(ValueError, match="a residual beyond all bounds"):
        GDLinearRegressor(loss=FailingLoss()).fit(X, y)


def test_exceptions_in_compiled_rules_surface():
    X, y = frames()
    few = {"optimizer": FailingRule(), "learning_rate": 0.01, "batch_size": 4, "tol": None}
    model = GDLinearRegressor(**few, max_iter=100).fit(X, y)
    before = model.coef_.copy()
    with pytest.raises(ValueError, match="too many updates"):
        model.set_params(max_iter=100_000).fit(X, y)
    np.testing.assert_array_equal(model.coef_, before)


def test_exceptions_in_compiled_activations_surface():
    X, y = frames()
    few = {"activation": FailingActivation(), "max_iter": 3, "tol": None, "random_state": 0, "standardize": False}
    model = GDMLPRegressor(hidden_layer_sizes=(3,), **few).fit(X, y)
    before = model.predict(X)
    with pytest.raises(ValueError, match="too much for a unit"):
        model.fit(X * 1e4, y)
    np.testing.assert_array_equal(model.predict(X), before)


def test_what_others_cannot_raise_goes_where_it_would():
    seen = []
    hook, sys.unraisablehook = sys.unraisablehook, seen.append
    try:
        from skgd._compile.exceptions import surfacing

        class Fails:
            def __del__(self):
                raise KeyError("of somebody else")

        def kernel():
            Fails()
            return 3

        assert surfacing(kernel)() == 3
        assert sys.unraisablehook == seen.append
    finally:
        sys.unraisablehook = hook
    assert [type(entry.exc_value) for entry in seen] == [KeyError]


def has_denormals(dtype=np.float64):
    """Whether this thread knows numbers below the least normal one."""
    return bool(np.finfo(dtype).tiny / dtype(8) > 0)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="others compute with them as with any number")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_networks_take_numbers_below_the_least_normal_one_for_zero(dtype):
    X = np.random.default_rng(0).normal(size=(60, 3)).astype(dtype)
    tiny = np.full((3, 2), np.finfo(dtype).tiny / 8)
    never_active = [tiny, np.ones((2, 1))], [np.full(2, -1e3), np.zeros(1)]
    model = GDMLPRegressor(hidden_layer_sizes=2, init=never_active, standardize=False, max_iter=2, tol=None)
    coef = model.fit(X, X[:, 0]).coefs_[0]
    assert coef.dtype == dtype
    np.testing.assert_array_equal(coef, 0)
    assert has_denormals(dtype)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="there is no such instruction")
def test_what_goes_in_is_taken_for_zero_as_what_comes_out():
    dot = compiled(newton.dot, f"f8({VECTOR}, {VECTOR})")
    for tiny, other in (5e-320, 1e20), (1e-300, 1e-20):
        a, b = np.array([tiny]), np.array([other])
        assert dot(a, b) == tiny * other > 0
        assert without_denormals(dot, a, b) == 0
        assert dot(a, b) > 0


def test_numbers_near_zero_are_what_they_were_after_an_exception():
    X, y = frames()
    of_users = {"activation": FailingActivation(), "max_iter": 3, "tol": None, "standardize": False}
    with pytest.raises(ValueError, match="too much for a unit"):
        GDMLPRegressor(hidden_layer_sizes=(3,), **of_users).fit(X * 1e4, y)
    assert has_denormals()


@pytest.mark.parametrize("breaks", ["made", "compiled"])
def test_without_the_instruction_for_numbers_near_zero_kernels_run_as_they_would(breaks, answer_of_a_copy):
    """As where a later numba or llvmlite has another one; a mode that isn't known is never set."""
    answer = answer_of_a_copy(f"""
        import json, warnings
        import numpy as np
        from skgd._compile import intrinsics, jit, kernels
        from skgd._kernels import denormals

        def broken(*_):
            raise AttributeError("no such instruction")

        def made():
            from numba.extending import intrinsic
            return intrinsic(broken)

        intrinsics.INTRINSICS[denormals.exchange_control] = broken if "{breaks}" == "made" else made
        for cached in intrinsics.intrinsic_for, jit._compiled_part, jit.compiled, kernels._kernel:
            cached.cache_clear()
        jit.private.cache_on_disk = lambda *_: None
        half = lambda: float(np.finfo(float).tiny / np.float64(2))
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            meanwhile = kernels.without_denormals(half)
        print(json.dumps([meanwhile, half(), [str(each.message) for each in said]]))
    """)
    meanwhile, after, said = answer
    assert meanwhile == after > 0
    assert any("no such instruction" in each for each in said)
