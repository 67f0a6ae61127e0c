"""Words for tools/pseudo_label.py in a recipe, tried before hours of work go by until they are used."""

import argparse

from dense_det.distillation.commands import run, select

_OUT = "JSON"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise ValueError(message)


def require_words(run_words: tuple[str, ...], select_words: tuple[str, ...]) -> None:
    """ValueError: an option that `pseudo_label.py run` or `select` does not have, or in another form, a number out of
    its range, or what is the recipe's own business."""
    args = run_arguments(run_words)
    if args.teacher or args.onnx:
        raise ValueError("run: the recipe's teacher labels: leave out --teacher and --onnx")
    if args.worker or args.num_workers is not None:
        raise ValueError(
            "run: all shards are labelled, by distill.py's --workers: leave out --worker and --num-workers"
        )
    run.read_settings(args, doors=None)
    args = _parsed("select", select, ("WORK", "--out", _OUT, *select_words))
    if str(args.out) != _OUT:
        raise ValueError("select: the recipe's folder has its own place for labels: leave out --out")
    select.require_numbers(args)


def run_arguments(words: tuple[str, ...]) -> argparse.Namespace:
    """What `pseudo_label.py run` makes of them. ValueError: an option that it does not have, or in another form."""
    return _parsed("run", run, ("WORK", *words))


def _parsed(verb: str, command, words: tuple[str, ...]) -> argparse.Namespace:
    parser = _Parser(add_help=False)
    command.add_arguments(parser)
    try:
        return parser.parse_args(words)
    except ValueError as error:
        raise ValueError(f"{verb}: {error}; tools/pseudo_label.py {verb} --help has all") from error
