"""What the real CLI recorded, and the names in it."""

from pathlib import Path

RECORDED = Path(__file__).parent / "recorded"
URN = "urn:pulumi:dev::vision-customization::"
ACCOUNT = f"{URN}vision-customization:index:AzureWorkspace$azure-native:storage:StorageAccount::account"


def recorded(name: str) -> list[str]:
    return (RECORDED / f"{name}.jsonl").read_text().splitlines()
