"""What the doctor found, as plain data and as a report to read. It measures nothing."""

from __future__ import annotations

import textwrap
from typing import NamedTuple

_WIDTH = 118


class Finding(NamedTuple):
    """One check: what was measured, what is expected, and, unless all is well, the likely cause and the remedy."""

    name: str
    measured: str
    expected: str
    cause: str = ""

    @property
    def ok(self) -> bool:
        """Whether it is as expected."""
        return not self.cause


class Layer(NamedTuple):
    """What one layer gives at the start: the scale of its activations and of their gradients, and its dead units.

    `activation` is a standard deviation, `gradient` a root mean square; `dead` the fraction of a relu's units (channels)
    that are zero for every sample, None for what is no relu.
    """

    name: str
    shape: tuple[int, ...]
    activation: float
    gradient: float
    dead: float | None


class Diagnosis(NamedTuple):
    """All findings, in causal order, and the layers. It is shown as a report; `ok` says whether all is well."""

    findings: list[Finding]
    layers: list[Layer]

    @property
    def ok(self) -> bool:
        """Whether every check is as expected."""
        return all(finding.ok for finding in self.findings)

    @property
    def cause(self) -> str:
        """The likely cause: that of the first check that failed, which may explain those after it; '' if none did."""
        return next((finding.cause for finding in self.findings if not finding.ok), "")

    @property
    def failed(self) -> list[str]:
        """The names of the checks that failed, in causal order."""
        return [finding.name for finding in self.findings if not finding.ok]

    def finding(self, name: str) -> Finding:
        """That of the check of this name."""
        return next(finding for finding in self.findings if finding.name == name)

    def __repr__(self) -> str:
        wide = max(len(finding.name) for finding in self.findings)
        lines = []
        for f in self.findings:
            lines.append(f"{'ok  ' if f.ok else 'ILL '} {f.name:{wide}}  {f.measured}")
            if not f.ok:
                margin = " " * (wide + 7)
                lines += [f"{margin}expected: {f.expected}", *_wrapped(f"likely cause: {f.cause}", margin)]
        name = max([5, *(len(layer.name) for layer in self.layers)])
        lines += ["", f"{'layer':{name}}  {'output':18}{'activations':>12}{'gradients':>12}{'dead':>7}"]
        for layer in self.layers:
            dead = "" if layer.dead is None else f"{layer.dead:.0%}"
            sizes = f"{layer.activation:>12.2e}{layer.gradient:>12.2e}"
            lines.append(f"{layer.name:{name}}  {layer.shape!s:18}{sizes}{dead:>7}")
        if self.ok:
            return "\n".join([*lines, "", f"Healthy: all {len(self.findings)} checks are as expected."])
        count = f"{len(self.failed)} of {len(self.findings)} checks"
        return "\n".join(
            [*lines, "", f"{count} are not as expected. Begin with the first:", *_wrapped(self.cause, "  ")]
        )


def _wrapped(text: str, margin: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=margin, subsequent_indent=margin)
