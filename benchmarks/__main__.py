"""`python -m benchmarks [NAME | all] [options]`, of the names below: exits with 1 if a goal is missed."""

import sys

from benchmarks import (
    accuracy,
    bursts,
    content,
    detection,
    drafts,
    features,
    fit,
    fleet,
    idle,
    label_issues,
    label_order,
    novelty,
    outcomes,
    outlook,
    predict,
    reading,
    registering,
    scale,
    serving,
    speed,
    studio,
    studio_cost,
    views,
)
from tests.support.interrupts import heed_interrupts

BENCHMARKS = {
    "accuracy": accuracy.main,
    "bursts": bursts.main,
    "content": content.main,
    "detection": detection.main,
    "drafts": drafts.main,
    "features": features.main,
    "fit": fit.main,
    "fleet": fleet.main,
    "idle": idle.main,
    "label-issues": label_issues.main,
    "label-order": label_order.main,
    "novelty": novelty.main,
    "outcomes": outcomes.main,
    "outlook": outlook.main,
    "predict": predict.main,
    "reading": reading.main,
    "registering": registering.main,
    "scale": scale.main,
    "serving": serving.main,
    "speed": speed.main,
    "studio": studio.main,
    "studio-cost": studio_cost.main,
    "views": views.main,
}


def main() -> int:
    heed_interrupts()
    arguments = sys.argv[1:]
    chosen = arguments.pop(0) if arguments and not arguments[0].startswith("-") else "all"
    if chosen == "all" and not arguments:
        return max([run([]) for run in BENCHMARKS.values()])
    if chosen not in BENCHMARKS:
        print(f"usage: python -m benchmarks [{' | '.join([*BENCHMARKS, 'all'])}] [options]", file=sys.stderr)
        return 2
    return BENCHMARKS[chosen](arguments)


if __name__ == "__main__":
    sys.exit(main())
