"""Self-paced key presses with the left or right hand: BCI Competition II, data set IV (Blankertz, Curio, Mueller 2002).

Epochs of 28 channels, 500 ms at 100 Hz, that end 130 ms before the key goes down; 316 with labels, 100 without. Layout:
``bci2_iv_fingers/fingers.npz`` with ``x_train`` (n, 28, 50), ``y_train`` (0 left, 1 right), ``x_test``, ``channels``,
``rate_hz``. Blankertz, Curio & Mueller 2002, Adv. Neural Inf. Process. Syst. 14:157. No licence stated: for measuring
only.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from volo_acquisition.errors import FileError, Reason
from volo_app.datasets.epochs import EpochSet

__all__ = ["CLASSES", "load"]

CLASSES = ("left", "right")


def load(data_root: Path) -> EpochSet:
    """Return the epochs.

    Raises
    ------
    FileError
        If the file is not there or damaged.
    """
    paths = [data_root / "bci2_iv_fingers" / "fingers.npz", data_root / "fingers.npz"]
    path = next((p for p in paths if p.is_file()), None)
    if path is None:
        raise FileError(
            f"{paths[0]} is missing",
            reason=Reason.NOT_FOUND,
            hint="give the folder that contains bci2_iv_fingers as --data-root; docs/data.md tells where it is",
        )
    try:
        with np.load(path, allow_pickle=False) as file:
            X, y, X_test = (np.asarray(file[name]) for name in ("x_train", "y_train", "x_test"))
            channels, rate_hz = tuple(str(c) for c in file["channels"]), float(file["rate_hz"])
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise FileError(f"{path} could not be read: {error}", reason=Reason.DAMAGED, hint="fetch it again") from error
    if X.ndim != 3 or y.shape != (len(X),) or X.shape[1] != len(channels) or not set(np.unique(y)) <= {0, 1}:
        raise FileError(f"{path} holds other arrays than published", reason=Reason.DAMAGED, hint="fetch it again")
    labels = np.array(CLASSES)[y.astype(int)]
    return EpochSet("fingers", channels, rate_hz, X.astype(np.float64), labels, X_test.astype(np.float64), None)
