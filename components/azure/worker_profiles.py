"""Workload profiles of Container Apps that workers can run on."""

from dataclasses import dataclass

CONSUMPTION = "Consumption"


@dataclass(frozen=True)
class GpuProfile:
    """A serverless GPU profile: a replica has one GPU, and all cores and memory of the profile."""

    name: str
    cpu: float
    memory_gib: float


PROFILES: dict[str, GpuProfile | None] = {
    CONSUMPTION: None,
    "Consumption-GPU-NC8as-T4": GpuProfile("NC8as-T4", 8, 56),
    "Consumption-GPU-NC24-A100": GpuProfile("NC24-A100", 24, 220),
}
"""By type: https://learn.microsoft.com/azure/container-apps/workload-profiles-overview#consumption-profile-details"""


def profile_name(profile_type: str) -> str:
    """What the environment calls its profile of that type."""
    gpu = PROFILES[profile_type]
    return CONSUMPTION if gpu is None else gpu.name
