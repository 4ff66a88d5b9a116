"""Azure's list prices, in US dollars, from `prices.csv`.

A row has the region (none for a price that is the same in all), the service and the meter by the names of the Azure Retail
Prices API, the unit, the price, the day on which it was read, and the source. A server's compute is named by its SKU
(`armSkuName` in the API).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

FILE = Path(__file__).with_name("prices.csv")


@dataclass(frozen=True)
class Price:
    """The price of one unit of a meter. `region` is empty for a price that is the same everywhere."""

    region: str
    service: str
    meter: str
    unit: str
    usd: float
    read: date
    source: str


class PriceList:
    """Prices by region, service and meter."""

    def __init__(self, prices: Iterable[Price]) -> None:
        self._all = tuple(prices)
        self._prices = {(price.region, price.service, price.meter): price for price in self._all}

    def __iter__(self) -> Iterator[Price]:
        return iter(self._all)

    def find(self, region: str, service: str, meter: str) -> Price | None:
        """The price in a region, by any spelling of its name (`East US`, `eastus`); else the price that holds everywhere."""
        name = region.replace(" ", "").lower()
        return self._prices.get((name, service, meter)) or self._prices.get(("", service, meter))


def price_list(file: Path = FILE) -> PriceList:
    """The prices that the repository keeps."""
    with file.open(encoding="utf-8", newline="") as lines:
        return PriceList([_price(row) for row in csv.DictReader(lines)])


def _price(row: Mapping[str, str]) -> Price:
    return Price(
        row["region"],
        row["service"],
        row["meter"],
        row["unit"],
        float(row["usd"]),
        date.fromisoformat(row["read"]),
        row["source"],
    )
