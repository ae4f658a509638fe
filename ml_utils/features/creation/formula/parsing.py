"""From a formula's text to its tree: Python's expressions, a short list of what is allowed, nothing run.

The text is only ever parsed (`ast.parse`), never compiled or evaluated. What is not on the list (attributes,
indices, lambdas, names of functions that are not known, ...) is an error that points at the place.
"""

from __future__ import annotations

import ast
import re
import warnings

from ml_utils.errors import list_known
from ml_utils.features.creation.formula.operations import FUNCTIONS
from ml_utils.features.creation.formula.tree import Apply, Column, Node, Number, Source, Text

LONGEST = 2000  # characters
DEEPEST = 100  # brackets and operations inside each other
LARGEST_EXPONENT = 64
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

_BINARY = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_HINTS: dict[type[ast.AST], str] = {
    ast.BitAnd: "write `and` in the place of &",
    ast.BitOr: "write `or` in the place of |",
    ast.Invert: "write `not` in the place of ~",
    ast.BitXor: "a power is written a ** b",
    ast.IfExp: "a choice is written where(condition, a, b)",
    ast.Attribute: "a point has no meaning here; a column with a point in its name goes into `backticks`",
    ast.Subscript: "indices have no meaning here; a column with brackets in its name goes into `backticks`",
}


def parse_formula(name: str, text: str) -> tuple[Source, Node]:
    """Parse one formula.

    Columns stand by their names, those with blanks or signs in `backticks` or "quotes".
    On the right side of a comparison what is quoted is a value, and a date like "2025-06-30" always is.

    Parameters
    ----------
    name : str
        The new column, for messages.
    text : str

    Returns
    -------
    source : Source
        The text as it was parsed, for later messages.
    tree : Node

    Raises
    ------
    ParameterError
        If the text is no formula; the message says where and why.

    Examples
    --------
    >>> parse_formula("share", "paid / `total bill`")[1].operation
    '/'
    >>> parse_formula("share", "paid / lg(total)")
    Traceback (most recent call last):
    ml_utils.errors.ParameterError: Formula 'share', character 8: there is no function 'lg'. Did you mean ...
    """
    source = Source(name, " ".join(str(text).split("\n")).strip())
    if not isinstance(text, str) or not source.text:
        raise source.wrong(0, f"a formula is a text like balance / products; got {text!r}.")
    if len(source.text) > LONGEST:
        raise source.wrong(
            LONGEST, f"formulas have at most {LONGEST:,} characters; this has {len(source.text):,}. Split it."
        )
    plain, quoted = _without_backticks(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            body = ast.parse(plain, mode="eval").body
    except SyntaxError as error:
        place = error.offset - 1 if error.offset else len(plain)
        raise source.wrong(place, _syntax(error, plain)) from error
    except (RecursionError, MemoryError, ValueError) as error:
        raise source.wrong(0, f"this cannot be read ({error}). Make it simpler.") from error
    return source, _Reader(source, quoted).read(body, 0)


def _without_backticks(source: Source) -> tuple[str, dict[int, str]]:
    """Put a plain name of the same length in the place of each backticked one; places stay as they are."""
    quoted: dict[int, str] = {}

    def plain(match: re.Match[str]) -> str:
        if not match[1].strip():
            raise source.wrong(match.start(), "there is no name between these backticks.")
        quoted[match.start()] = match[1]
        return "_" * len(match[0])

    text = re.sub(r"`([^`]*)`", plain, source.text)
    if "`" in text:
        raise source.wrong(text.index("`"), "a backtick without its second one.")
    return text, quoted


def _syntax(error: SyntaxError, text: str) -> str:
    if re.search(r"(?<![=<>!])=(?!=)", text):
        return "a comparison is written a == b; a single = has no meaning here."
    return f"this is no formula ({error.msg}). Names with blanks or signs go into `backticks`."


class _Reader:
    """Turns Python's tree into ours."""

    def __init__(self, source: Source, quoted: dict[int, str]) -> None:
        self.source, self.quoted = source, quoted
        self.bytes = source.text.encode()

    def at(self, node: ast.AST) -> int:
        """Return a node's place in characters; ast counts bytes."""
        return len(self.bytes[: getattr(node, "col_offset", 0)].decode(errors="ignore"))

    def read(self, node: ast.expr, depth: int) -> Node:
        at = self.at(node)
        if depth > DEEPEST:
            raise self.source.wrong(at, f"more than {DEEPEST} operations inside each other. Split it.")
        if isinstance(node, ast.Constant):
            return self._constant(node, at)
        if isinstance(node, ast.Name):
            name = self.source.text[at : at + len(node.id)]
            return Column(self.quoted.get(at, name), at)
        if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            return self._binary(node, at, depth)
        if isinstance(node, ast.UnaryOp):
            return self._unary(node, at, depth)
        if isinstance(node, ast.BoolOp):
            word = "and" if isinstance(node.op, ast.And) else "or"
            return Apply(word, tuple(self.read(part, depth + 1) for part in node.values), at)
        if isinstance(node, ast.Compare):
            return self._comparison(node, at, depth)
        if isinstance(node, ast.Call):
            return self._call(node, at, depth)
        raise self._refusal(node, at)

    def _refusal(self, node: ast.AST, at: int) -> Exception:
        what = getattr(node, "op", node)
        hint = _HINTS.get(type(what))
        allowed = "numbers, columns, + - * / // % **, comparisons, and, or, not, and the functions"
        return self.source.wrong(
            at, f"{hint}." if hint else f"{type(what).__name__} is not allowed; {allowed} are."
        )

    def _constant(self, node: ast.Constant, at: int) -> Node:
        value = node.value
        if isinstance(value, str):  # outside of a comparison no value is meant, unless it is a date
            return Text(value, at) if _DATE.match(value) else Column(value, at)
        if isinstance(value, bool | int | float):
            try:
                number = float(value)
            except OverflowError:
                number = float("inf")
            if number in (float("inf"), float("-inf")):
                raise self.source.wrong(at, "this number is too large.")
            return Number(number, at)
        hint = "ask isna(column) where a value may be missing" if value is None else "a number is meant here"
        raise self.source.wrong(at, f"{value!r} is no value of a formula; {hint}.")

    def _binary(self, node: ast.BinOp, at: int, depth: int) -> Node:
        word = _BINARY[type(node.op)]
        left, right = self.read(node.left, depth + 1), self.read(node.right, depth + 1)
        if word == "**":
            size = right.arguments[0] if isinstance(right, Apply) and right.operation == "negative" else right
            if isinstance(size, Number) and size.value > LARGEST_EXPONENT:
                raise self.source.wrong(
                    right.at,
                    f"exponents go from -{LARGEST_EXPONENT} to {LARGEST_EXPONENT}; got {size.value:g}.",
                )
        return Apply(word, (left, right), at)

    def _unary(self, node: ast.UnaryOp, at: int, depth: int) -> Node:
        if isinstance(node.op, ast.Invert):
            raise self._refusal(node, at)
        inner = self.read(node.operand, depth + 1)
        if isinstance(node.op, ast.UAdd):
            return inner
        if isinstance(node.op, ast.USub) and isinstance(inner, Number):
            return Number(-inner.value, at)
        return Apply("not" if isinstance(node.op, ast.Not) else "negative", (inner,), at)

    def _comparison(self, node: ast.Compare, at: int, depth: int) -> Node:
        sides = [node.left, *node.comparators]
        parts: list[Node] = []
        for i, operator in enumerate(node.ops):
            left = self.read(sides[i], depth + 1)
            if isinstance(operator, ast.In | ast.NotIn):
                parts.append(self._membership(left, operator, sides[i + 1], depth))
            elif type(operator) in _COMPARE:
                right = self._value(sides[i + 1], depth)
                parts.append(Apply(_COMPARE[type(operator)], (left, right), at))
            else:
                raise self.source.wrong(at, "`is` has no meaning here; write ==, or isna(column).")
        return parts[0] if len(parts) == 1 else Apply("and", tuple(parts), at)

    def _membership(self, left: Node, operator: ast.cmpop, node: ast.expr, depth: int) -> Node:
        at = self.at(node)
        if not isinstance(node, ast.Tuple | ast.List | ast.Set) or not node.elts:
            raise self.source.wrong(at, 'after `in` comes a list of values: plan in ("gold", "plus").')
        equal = tuple(Apply("==", (left, self._value(item, depth)), at) for item in node.elts)
        found: Node = equal[0] if len(equal) == 1 else Apply("or", equal, at)
        return Apply("not", (found,), at) if isinstance(operator, ast.NotIn) else found

    def _value(self, node: ast.expr, depth: int) -> Node:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return Text(node.value, self.at(node))
        return self.read(node, depth + 1)

    def _call(self, node: ast.Call, at: int, depth: int) -> Node:
        if not isinstance(node.func, ast.Name):
            raise self._refusal(node.func, at)
        name = node.func.id
        if name not in FUNCTIONS:
            raise self.source.wrong(at, f"there is no function {name!r}. {list_known(name, FUNCTIONS)}")
        operation = FUNCTIONS[name]
        n = len(node.args)
        odd = bool(node.keywords) or any(isinstance(argument, ast.Starred) for argument in node.args)
        if odd or not operation.fewest <= n <= operation.most:
            raise self.source.wrong(at, f"it is used as {operation.usage}; got {n} arguments.")
        return Apply(name, tuple(self.read(argument, depth + 1) for argument in node.args), at)
