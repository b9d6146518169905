"""Whether a run's timing is verified, and what that means for its decoder. Not: measuring.

Decoders that use the phase of the response need to know when light changed; those that do not, do not. Without a
certificate of this rig that holds, the second kind is the default.
"""

from __future__ import annotations

from dataclasses import dataclass

from volo_app.stimulus.certificate import Certificate, rig_id
from volo_app.stimulus.messages import ScreenInfo
from volo_app.stimulus.pace import is_software

__all__ = ["PHASE_BLIND", "Verdict", "choose_decoder", "judge_timing"]

#: Decoders that know nothing of phase, which holds whatever the screen's delay is.
PHASE_BLIND = frozenset({"fbcca", "cca", "csp_lda", "band_power_lda"})
#: The refresh rate may be off what it was certified at by so much, and jitter so much, milliseconds.
RATE_TOLERANCE, JITTER_MS = 0.005, 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a run's timing.

    Attributes
    ----------
    reasons : tuple of str
        Why the timing is not verified; none if it is.
    accepted : bool
        Whether the operator accepted that.
    """

    reasons: tuple[str, ...]
    accepted: bool = False

    @property
    def is_verified(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.reasons

    @property
    def allows_phase(self) -> bool:
        """Whether decoders that use phase may be the default."""
        return self.is_verified or self.accepted

    def header(self) -> dict[str, str]:
        """Return the fields for a recording's header."""
        return {
            "timing_verified": "true" if self.is_verified else "false",
            "timing_why_not": "; ".join(self.reasons),
            "timing_accepted": "true" if self.accepted else "false",
        }


def judge_timing(info: ScreenInfo, certificate: Certificate | None, *, accept: bool = False) -> Verdict:
    """Return what speaks against a screen's timing; `accept` is the operator's word, which is recorded."""
    reasons = []
    if is_software(info.renderer):
        reasons.append("drawn by software, without a display's clock")
    if info.pacing != "vsync":
        reasons.append("the driver does not wait for the display")
    if not info.fenced:
        reasons.append("swaps are stamped before they are done")
    if info.jitter_ms > JITTER_MS:
        reasons.append(f"frames jitter by {info.jitter_ms:.1f} ms, more than {JITTER_MS:g} ms")
    if certificate is None:
        reasons.append("this rig has no certificate: run volo certify")
    elif certificate.rig != rig_id(info):
        reasons.append("the certificate is of another rig: run volo certify")
    else:
        if abs(info.refresh_hz / certificate.refresh_hz - 1.0) > RATE_TOLERANCE:
            reasons.append(f"{info.refresh_hz:.2f} Hz, certified were {certificate.refresh_hz:.2f} Hz")
        reasons += [f"the certificate says: {failure}" for failure in certificate.failures]
    return Verdict(tuple(reasons), accept and bool(reasons))


def choose_decoder(wanted: str, verdict: Verdict, *, blind: str = "fbcca") -> str:
    """Return the decoder to train: the wanted one; a phase-blind one while timing is neither verified nor accepted."""
    return wanted if wanted in PHASE_BLIND or verdict.allows_phase else blind
