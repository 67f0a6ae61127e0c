"""Tell how far a run is: shards done, rate, time left, failures."""

from collections.abc import Iterator

from dense_det.distillation.progress import read_progress
from dense_det.distillation.work_folder import WorkFolder

EXAMPLE = """example:
  python tools/pseudo_label.py status work/"""


def add_arguments(parser) -> None:
    parser.add_argument("work", metavar="WORK", help="a planned work folder")


def main(args) -> Iterator[str]:
    yield str(read_progress(WorkFolder(args.work)))
