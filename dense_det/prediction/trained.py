"""What a training left behind, as a detector to use: config, weights, names of the classes and their thresholds."""

from dataclasses import dataclass
from pathlib import Path

from dense_det.deploy.facts import find_points, thresholds_of
from dense_det.suggest import no_folder

WEIGHTS = ("model_best.pth", "model_final.pth", "model.safetensors")
PLAIN_THRESHOLD = 0.5  # where no validation chose any


@dataclass(frozen=True)
class Trained:
    """Attributes:
    config, weights: files.
    thresholds: class -> the score with the best F1 on validation images, in the order of training. A class of which
        nothing was found there has the median of the others', as in an exported file; if all have none, it is 0.5.
    """

    config: Path
    weights: Path
    thresholds: dict[str, float]


def find_trained(folder) -> Trained:
    """The detector of an OUTPUT_DIR of tools/train_net.py, or of a folder zoo/NAME that tools/make_zoo.py wrote.

    Its thresholds are those of the same evaluation that an exported file takes.

    Raises:
        ValueError: something is missing, and what would make it; or evaluations of several data sets, of which none
            is the one to use, see choose_evaluation.
    """
    folder = Path(folder)
    if not folder.exists():
        raise ValueError(no_folder(folder))
    config, weights = folder / "config.yaml", next((w for n in WEIGHTS if (w := folder / n).is_file()), None)
    if not config.is_file() or weights is None:
        expected = f"{', '.join(WEIGHTS[:-1])} or {WEIGHTS[-1]}"
        raise ValueError(f"{folder} is no finished training: expected config.yaml and {expected} in it")
    try:
        source, points = find_points(weights, ())
        if not source:
            raise ValueError("there is none; tools/train_net.py --eval-only leaves one there")
        thresholds = dict(zip(points, thresholds_of(points, points), strict=True))
        if not thresholds:
            raise ValueError(f"{source} has no class")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        path = folder / "evaluation" / "thresholds.json"
        raise ValueError(f"{path}: expected the classes and their thresholds: {_in_words(error)}") from error
    return Trained(config, weights, thresholds)


def _in_words(error: Exception) -> str:
    return str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
