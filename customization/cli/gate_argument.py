"""A threshold of a gate on the command line."""

from __future__ import annotations

import click

from vision_customization.contract.gate import faults


class Requirement(click.ParamType[tuple[str, float]]):
    """`accuracyTop1=0.9`."""

    name = "metric=value"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        metric, _, text = str(value).partition("=")
        try:
            threshold = float(text)
        except ValueError:
            self.fail(f"{value!r}: must be like accuracyTop1=0.9", param, ctx)
        for fault in faults({metric: threshold}):
            self.fail(fault, param, ctx)
        return metric, threshold
