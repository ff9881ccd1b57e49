"""JavaScript from the source of a Python function, for loops over numbers in arrays, as rules are written.

What is translated means the same in both languages for floats; whatever else stands there is refused. So expressions
have kinds: a number, a truth, a vector of numbers or a table of vectors, and nothing is computed but numbers.
"""

import ast
import builtins
import inspect
import math
import textwrap
from collections.abc import Callable, Mapping

import numpy as np

NUMBER, TRUTH, VECTOR, TABLE = "number", "truth", "vector", "table"
CAST = "cast to the dtype"  # what params.dtype.type is
ENTRIES = {TABLE: VECTOR, VECTOR: NUMBER}

# By what they are, not by what they are called.
FUNCTIONS: list[
    tuple[Callable, str, int]
] = [  # function, in JavaScript, number of arguments
    (np.sqrt, "Math.sqrt", 1),
    (math.sqrt, "Math.sqrt", 1),
    (np.sign, "Math.sign", 1),
    (np.abs, "Math.abs", 1),
    (abs, "Math.abs", 1),
    (np.exp, "Math.exp", 1),
    (np.log, "Math.log", 1),
    (np.sin, "Math.sin", 1),
    (np.cos, "Math.cos", 1),
    (np.tanh, "Math.tanh", 1),
    (max, "Math.max", 2),
    (min, "Math.min", 2),
    (np.maximum, "Math.max", 2),
    (np.minimum, "Math.min", 2),
]
# // and % round otherwise in JavaScript
ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
COMPARISONS = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "===",
    ast.NotEq: "!==",
}
WORDS = {ast.And: " && ", ast.Or: " || "}
RESERVED = """
arguments async await case catch class const debugger default delete do enum eval export extends false finally function
if implements import in instanceof interface let new null package private protected public return static super switch
this throw true try typeof undefined var void while with yield Infinity Math NaN Number
"""


class NotTranslated(ValueError):
    """The function does what isn't known to mean the same in JavaScript."""


def javascript(function: Callable, kinds: Mapping[str, str]) -> str:
    """The function as an expression of JavaScript.

    Parameters
    ----------
    function : callable
        A plain Python function whose source can be read.
    kinds : mapping of str to str
        Which of its arguments are vectors or tables; the others are numbers.

    Raises
    ------
    NotTranslated
        If anything in it isn't known; the message names it, and its line.
    """
    return _Translation(function, kinds).function()


class _Translation:
    """A function on its way; statements become lines, expressions pairs of code and kind."""

    def __init__(self, function: Callable, kinds: Mapping[str, str]):
        self.name = getattr(function, "__qualname__", repr(function))
        if not inspect.isfunction(function) or function.__closure__:
            raise NotTranslated(f"{self.name}: no plain function")
        local = function.__code__.co_varnames
        around = vars(builtins) | function.__globals__
        self.known = {name: value for name, value in around.items() if name not in local}
        self.root = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        self.first_line = function.__code__.co_firstlineno
        self.given = kinds
        self.kinds: dict[str, str] = {}  # of arguments and variables
        self.arguments: list[str] = []
        self.counters: list[str] = []  # of the loops around

    def refused(self, node: ast.AST, why: str) -> NotTranslated:
        line = self.first_line + getattr(node, "lineno", 1) - 1
        return NotTranslated(f"{self.name}, line {line}: {why}: {ast.unparse(node)}")

    def function(self) -> str:
        root = self.root
        if not isinstance(root, ast.FunctionDef):
            raise self.refused(root, "no function with a def")
        for decorator in root.decorator_list:
            if ast.unparse(decorator) != "staticmethod":
                raise self.refused(decorator, "a decorator")
        of = root.args
        if of.vararg or of.kwarg or of.kwonlyargs or of.defaults or of.posonlyargs:
            raise self.refused(of, "other arguments than plain ones")
        self.arguments = [self.usable(argument, argument.arg) for argument in of.args]
        self.kinds = {name: self.given.get(name, NUMBER) for name in self.arguments}
        body = [line for statement in root.body for line in self.statement(statement)]
        variables = [name for name in self.kinds if name not in self.arguments]
        lines = [f"let {', '.join(variables)};", *body] if variables else body
        return "\n".join(
            [f"function ({', '.join(self.arguments)}) {{", *map(_indented, lines), "}"]
        )

    def usable(self, node: ast.AST, name: str) -> str:
        if name in RESERVED.split():
            raise self.refused(node, "a name that JavaScript keeps for itself")
        return name

    def block(self, statements: list[ast.stmt]) -> list[str]:
        return [_indented(line) for each in statements for line in self.statement(each)]

    # Statements

    def statement(self, node: ast.stmt) -> list[str]:
        match node:
            case ast.Expr(value=ast.Constant(value=str())):  # a docstring
                return []
            case ast.Pass():
                return []
            case ast.Continue():
                return ["continue;"]
            case ast.Break():
                return ["break;"]
            case ast.Return(value=None):
                return ["return;"]
            case ast.Return():
                return [f"return {self.value(node.value)};"]
            case ast.Assign(targets=[target]):
                return [self.assignment(node, target, node.value)]
            case ast.Assign():
                value = self.value(node.value)
                for target in node.targets:
                    if not isinstance(target, ast.Name):
                        raise self.refused(node, "several targets that aren't names")
                names = [self.target(target, NUMBER) for target in node.targets]
                return [f"{' = '.join(names)} = {value};"]
            case ast.AugAssign():
                if type(node.op) not in ARITHMETIC:
                    raise self.refused(node, "unknown arithmetic")
                self.value(node.target)
                value, target = self.value(node.value), self.target(node.target, NUMBER)
                return [f"{target} {ARITHMETIC[type(node.op)]}= {value};"]
            case ast.If():
                lines = [
                    f"if ({self.value(node.test, TRUTH)}) {{",
                    *self.block(node.body),
                    "}",
                ]
                if node.orelse:
                    lines[-1:] = ["} else {", *self.block(node.orelse), "}"]
                return lines
            case ast.For():
                return self.loop(node)
        raise self.refused(node, "an unknown statement")

    def assignment(self, node: ast.Assign, target: ast.expr, value: ast.expr) -> str:
        if not isinstance(target, ast.Tuple):
            code, kind = self.expression(value)
            return f"{self.target(target, kind)} = {code};"
        if not isinstance(value, ast.Tuple) or len(value.elts) != len(target.elts):
            raise self.refused(node, "a tuple that isn't written out")
        values = [self.expression(each) for each in value.elts]
        targets = [
            self.target(each, kind)
            for each, (_, kind) in zip(target.elts, values, strict=True)
        ]
        return f"[{', '.join(targets)}] = [{', '.join(code for code, _ in values)}];"

    def target(self, node: ast.expr, kind: str) -> str:
        if isinstance(node, ast.Subscript):
            code, entry = self.expression(node)
            if entry != NUMBER or kind != NUMBER:
                raise self.refused(node, "an assignment that isn't of a number to an entry")
            return code
        if not isinstance(node, ast.Name):
            raise self.refused(node, "an unknown target")
        name = self.usable(node, node.id)
        if name in self.counters:
            raise self.refused(node, "a change of a loop's counter")
        if self.kinds.setdefault(name, kind) != kind or (
            name in self.arguments and kind != NUMBER
        ):
            raise self.refused(node, "a name for two things")
        return name

    def loop(self, node: ast.For) -> list[str]:
        match node:
            case ast.For(
                target=ast.Name(id=counter),
                iter=ast.Call(func=ast.Name(id="range"), args=[*bounds], keywords=[]),
                orelse=[],
            ) if self.known.get("range") is range and len(bounds) in (1, 2):
                pass
            case _:
                raise self.refused(
                    node, "a loop that isn't over range(stop) or range(start, stop)"
                )
        self.usable(node.target, counter)
        if counter in self.kinds or counter in self.counters:
            raise self.refused(
                node.target, "a counter whose name means something else, too"
            )
        changed = {
            name.id
            for each in node.body
            for name in ast.walk(each)
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
        }
        for name in ast.walk(bounds[-1]):  # JavaScript looks at it again in each turn
            if isinstance(name, ast.Subscript) or getattr(name, "id", None) in changed:
                raise self.refused(node.iter, "an end that may move")
        start = self.value(bounds[0]) if len(bounds) == 2 else "0"
        stop = self.value(bounds[-1])
        self.counters.append(counter)
        body = self.block(node.body)
        self.counters.pop()
        head = f"for (let {counter} = {start}; {counter} < {stop}; {counter}++) {{"
        return [head, *body, "}"]

    # Expressions

    def value(self, node: ast.expr, wanted: str = NUMBER) -> str:
        code, kind = self.expression(node)
        if kind != wanted:
            raise self.refused(node, f"a {kind} where a {wanted} belongs")
        return code

    def operand(self, node: ast.expr, wanted: str = NUMBER) -> str:
        code = self.value(node, wanted)
        atom = isinstance(
            node, ast.Name | ast.Constant | ast.Subscript | ast.Call | ast.Attribute
        )
        return code if atom and not code.startswith("-") else f"({code})"

    def expression(self, node: ast.expr) -> tuple[str, str]:
        match node:
            case ast.Constant(value=bool(value)):
                return str(value).lower(), TRUTH
            case ast.Constant(value=int() | float()):
                return self.literal(node, node.value), NUMBER
            case ast.Name():
                return self.name_of(node)
            case ast.Attribute(value=ast.Attribute(value=of, attr="dtype"), attr="type"):
                self.value(of, VECTOR)
                return "Number", CAST
            case ast.Attribute(attr="size"):
                return f"{self.value(node.value, VECTOR)}.length", NUMBER
            case ast.Subscript():
                code, kind = self.expression(node.value)
                if kind not in ENTRIES or isinstance(node.slice, ast.UnaryOp):
                    raise self.refused(node, "an unknown index")
                return f"{code}[{self.value(node.slice)}]", ENTRIES[kind]
            case ast.UnaryOp(op=ast.USub()):
                return f"-{self.operand(node.operand)}", NUMBER
            case ast.UnaryOp(op=ast.Not()):
                return f"!{self.operand(node.operand, TRUTH)}", TRUTH
            case ast.BinOp() if type(node.op) in ARITHMETIC:
                sign = ARITHMETIC[type(node.op)]
                return (
                    f"{self.operand(node.left)} {sign} {self.operand(node.right)}",
                    NUMBER,
                )
            case ast.Compare(ops=[sign]) if type(sign) in COMPARISONS:
                left, right = self.operand(node.left), self.operand(node.comparators[0])
                return f"{left} {COMPARISONS[type(sign)]} {right}", TRUTH
            case ast.BoolOp():
                parts = [self.operand(each, TRUTH) for each in node.values]
                return WORDS[type(node.op)].join(parts), TRUTH
            case ast.IfExp():
                test, then = self.operand(node.test, TRUTH), self.operand(node.body)
                return f"{test} ? {then} : {self.operand(node.orelse)}", NUMBER
            case ast.Call():
                return self.call(node), NUMBER
        raise self.refused(node, "an unknown expression")

    def literal(self, node: ast.expr, value: float) -> str:
        if not math.isfinite(value) or (isinstance(value, int) and abs(value) > 2**53):
            raise self.refused(node, "a number that JavaScript has no literal for")
        return repr(value)

    def name_of(self, node: ast.Name) -> tuple[str, str]:
        if node.id in self.counters:
            return node.id, NUMBER
        if node.id in self.kinds:
            return node.id, self.kinds[node.id]
        value = self.known.get(node.id)
        if type(value) in (int, float):  # a constant of the module
            return self.literal(node, value), NUMBER
        raise self.refused(node, "an unknown name")

    def call(self, node: ast.Call) -> str:
        if node.keywords:
            raise self.refused(node, "named arguments")
        arguments = ", ".join(self.value(each) for each in node.args)
        match node.func:
            case ast.Name(id=name) if self.kinds.get(name) == CAST and len(node.args) == 1:
                return f"{name}({arguments})"
            case ast.Name(id=name) if name not in self.kinds and name not in self.counters:
                called = self.known.get(name)
            case ast.Attribute(value=ast.Name(id=module), attr=name) if (
                module not in self.kinds and inspect.ismodule(self.known.get(module))
            ):
                called = getattr(self.known[module], name, None)
            case _:
                called = None
        for function, code, n_arguments in FUNCTIONS:
            if called is function and len(node.args) == n_arguments:
                return f"{code}({arguments})"
        raise self.refused(node, "an unknown function")


def _indented(line: str) -> str:
    return f"  {line}"
