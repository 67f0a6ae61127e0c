"""Safe YAML, and one thing more: numbers written as a formula, as Detectron2's own RetinaNet configs have them."""

import ast
import operator

import yaml

_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_LARGEST = 1e6  # of a base; of an exponent a thousandth: no formula of a config needs more


class FormulaLoader(yaml.SafeLoader):
    """yaml.SafeLoader that also reads `!!python/object/apply:eval ["[x * 2**0.5 for x in [32, 64]]"]`.

    Nothing is run: the text is worked out from numbers, lists, + - * / **, and one loop over a list at a time.
    """

    def construct_formula(self, node):
        words = self.construct_sequence(node) if isinstance(node, yaml.SequenceNode) else []
        if len(words) != 1 or not isinstance(words[0], str):
            raise yaml.constructor.ConstructorError(None, None, "expected one formula in a list", node.start_mark)
        try:
            return numbers(words[0])
        except (ValueError, SyntaxError, ArithmeticError) as error:
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from error


FormulaLoader.add_constructor("tag:yaml.org,2002:python/object/apply:eval", FormulaLoader.construct_formula)


def read(text: str):
    """What the YAML `text` says.

    Raises:
        yaml.YAMLError: text that does not parse, or that wants more than safe YAML and formulas.
    """
    loader = FormulaLoader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def numbers(formula: str):
    """The number or the nested lists of a formula: "[2 * x for x in [1, 2]]" -> [2, 4].

    Raises:
        ValueError: anything but numbers, lists, + - * / ** and loops over lists.
        SyntaxError, ArithmeticError: what Python says of it.
    """
    return _value(ast.parse(formula.strip(), mode="eval").body, {})


def _value(node: ast.AST, names: dict):
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return number
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_value(item, names) for item in items]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(operand, names)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            pair = _number(left, names), _number(right, names)
            if isinstance(op, ast.Pow) and max(abs(pair[0]), 1000 * abs(pair[1])) > _LARGEST:
                raise ValueError(f"{ast.unparse(node)}: too large a power")
            return _OPERATORS[type(op)](*pair)
        case ast.ListComp(elt=item, generators=[ast.comprehension(ast.Name(id=name), ast.List() as over, ifs=[])]):
            return [_value(item, names | {name: each}) for each in _value(over, names)]
    raise ValueError(f"{ast.unparse(node)}: expected numbers, lists, + - * / ** and one loop over a list")


def _number(node: ast.AST, names: dict):
    value = _value(node, names)
    if isinstance(value, list):  # a list times a number could be any amount of memory
        raise ValueError(f"{ast.unparse(node)}: expected a number, got a list")
    return value
