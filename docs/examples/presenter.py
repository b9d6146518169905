"""A presenter in plain Python: cued trials as LSL markers. The flicker itself is for your toolkit to draw.

    python presenter.py --stream Presenter --keys A B space delete --blocks 3 --flicker-s 2.3

Needs pylsl. The same calls in the same places make any other program a presenter.
"""

import argparse
import json
import random
import time

from pylsl import StreamInfo, StreamOutlet, local_clock


class Presenter:
    """Sends Volo's markers."""

    def __init__(self, name):
        info = StreamInfo(name, "Markers", 1, 0.0, "string", f"presenter-{name}")
        self.outlet = StreamOutlet(info)

    def send(self, label, when=None, **payload):
        """Send a marker stamped with the time of the swap, LSL's clock; None means now."""
        text = json.dumps({"label": label, "payload": payload})
        self.outlet.push_sample([text], local_clock() if when is None else when)


def swap():
    """Show what was drawn, and return when: here is where `win.flip()` or the like goes."""
    time.sleep(1 / 60)
    return local_clock()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--stream", default="Presenter")
    parser.add_argument("--keys", nargs="+", default=["A", "B", "space", "delete"])
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--cue-s", type=float, default=0.7)
    parser.add_argument("--flicker-s", type=float, default=2.3)
    parser.add_argument("--rest-s", type=float, default=0.5)
    parser.add_argument("--wait-s", type=float, default=2.0, help="before the first trial, for recorders to connect")
    options = parser.parse_args()

    presenter = Presenter(options.stream)
    while not presenter.outlet.have_consumers():
        time.sleep(0.05)
    time.sleep(options.wait_s)
    presenter.send("run/start", task="ssvep", paradigm="calibration", layout="four")
    trial = 0
    for block in range(options.blocks):
        for key in random.Random(block).sample(options.keys, len(options.keys)):
            presenter.send("trial/start", swap(), trial=trial, cue=key, text="")  # the key is framed
            time.sleep(options.cue_s)
            presenter.send("stimulus/onset", swap(), trial=trial, target=key)  # first frame of the flicker
            time.sleep(options.flicker_s)
            presenter.send("stimulus/offset", swap(), trial=trial)  # first frame without it
            time.sleep(options.rest_s)
            trial += 1
    presenter.send("run/stop")
    time.sleep(1.0)


if __name__ == "__main__":
    main()
