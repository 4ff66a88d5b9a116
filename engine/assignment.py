"""Who gets what, so that the sum of the costs is least."""

import numpy as np
from numpy.typing import NDArray


def assign(costs: NDArray[np.float64]) -> NDArray[np.int64]:
    """The column of each row, no column twice, at the least sum of costs; int64 [n].

    Where there are more rows than columns, the rows that are left over have -1.

    Args:
        costs: float64 [n, m], finite.

    The Hungarian method by shortest augmenting paths, after D. F. Crouse, "On implementing 2D rectangular assignment
    algorithms", IEEE Transactions on Aerospace and Electronic Systems 52 (2016): O(n²m) for n ≤ m.
    """
    rows, columns = costs.shape
    if rows > columns:
        column_of = np.full(rows, -1, np.int64)
        column_of[assign(costs.T)] = np.arange(columns)
        return column_of
    column_of, row_of = np.full(rows, -1, np.int64), np.full(columns, -1, np.int64)
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    for start in range(rows):
        # Dijkstra over reduced costs, from the row `start` to a column that nobody has.
        length = np.full(columns, np.inf)
        reached_from = np.full(columns, -1, np.int64)
        settled = np.zeros(columns, bool)
        through = [start]
        row, so_far = start, 0.0
        while True:
            onward = so_far + costs[row] - row_price[row] - column_price
            shorter = ~settled & (onward < length)
            length[shorter], reached_from[shorter] = onward[shorter], row
            column = int(np.argmin(np.where(settled, np.inf, length)))
            so_far = float(length[column])
            settled[column] = True
            if row_of[column] < 0:
                break
            row = int(row_of[column])
            through.append(row)
        row_price[start] += so_far
        others = through[1:]
        row_price[others] += so_far - length[column_of[others]]
        column_price[settled] -= so_far - length[settled]
        while True:
            row = int(reached_from[column])
            row_of[column] = row
            column, column_of[row] = int(column_of[row]), column
            if row == start:
                break
    return column_of
