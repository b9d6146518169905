"""An SSVEP calibration shown by PsychoPy, recorded and decoded by Volo. Needs psychopy and pylsl.

Volo:  volo record --source lsl:name=EEG --markers lsl:PsychoPy --out calibration.xdf
Then:  volo train calibration.xdf --layout four --out my-decoder
"""

import json
import math
import random

from psychopy import core, visual
from pylsl import StreamInfo, StreamOutlet, local_clock

# label, position and flicker as in Volo's layout "four"
KEYS = {
    "A": ((-0.5, 0.3), 9.0, 0.0),
    "B": ((0.5, 0.3), 10.8, math.pi / 2),
    "space": ((-0.5, -0.6), 12.6, math.pi),
    "delete": ((0.5, -0.6), 14.4, 3 * math.pi / 2),
}
BLOCKS, CUE_S, FLICKER_S, REST_S = 4, 0.7, 2.3, 0.5

outlet = StreamOutlet(StreamInfo("PsychoPy", "Markers", 1, 0.0, "string", "presenter-psychopy"))


def send(label, when, **payload):
    outlet.push_sample([json.dumps({"label": label, "payload": payload})], when)


win = visual.Window(fullscr=True, color=-0.6, units="norm", waitBlanking=True)
refresh_hz = win.getActualFrameRate(nMaxFrames=240) or 60.0
boxes = {key: visual.Rect(win, 0.4, 0.5, pos=place, fillColor=0.0) for key, (place, _, _) in KEYS.items()}
names = {key: visual.TextStim(win, key, pos=place, height=0.12) for key, (place, _, _) in KEYS.items()}
frame = visual.Rect(win, 0.44, 0.54, lineColor="orange", lineWidth=8, fillColor=None)


def draw(cue=None, n=None):
    """Draw the keys, framed if cued; n is the number of the frame since the flicker came on."""
    for key, (place, frequency_hz, phase) in KEYS.items():
        level = 0.0 if n is None else math.sin(2 * math.pi * frequency_hz * n / refresh_hz + phase)
        boxes[key].fillColor = level  # -1 to 1 is dark to bright
        boxes[key].draw()
        names[key].draw()
        if key == cue:
            frame.pos = place
            frame.draw()


def flip():
    """Swap, and return when on LSL's clock: the flip waits for the swap."""
    win.flip()
    return local_clock()


def show(label, seconds, payload, cue=None, flickers=False):
    """Show one scene; its marker has the time of its first swap."""
    n = 0
    draw(cue, n if flickers else None)
    start = flip()
    send(label, start, **payload)
    while local_clock() - start < seconds:
        # the number comes from time: a dropped frame costs one value and not the phase
        n = round((local_clock() - start) * refresh_hz) + 1
        draw(cue, n if flickers else None)
        flip()


while not outlet.have_consumers():
    core.wait(0.1)
core.wait(3.0)  # for the recorder's filters
send("run/start", local_clock(), task="ssvep", paradigm="calibration", layout="four")
trial = 0
for _ in range(BLOCKS):
    for key in random.sample(list(KEYS), len(KEYS)):
        show("trial/start", CUE_S, {"trial": trial, "cue": key, "text": ""}, cue=key)
        show("stimulus/onset", FLICKER_S, {"trial": trial, "target": key}, cue=key, flickers=True)
        show("stimulus/offset", REST_S, {"trial": trial})
        trial += 1
send("run/stop", local_clock())
core.wait(1.0)
win.close()
