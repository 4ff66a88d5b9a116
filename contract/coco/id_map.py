"""The ids of a file's entries, in little memory if they count up or down, as those of most files do."""


class IdMap:
    """id → number. Ids that count up or down by one, with numbers that count up, take no memory."""

    def __init__(self) -> None:
        self._first_id = self._first_number = self._size = 0
        self._step = 1
        self._others: dict[int, int] = {}

    def setdefault(self, id_: int, number: int) -> int:
        """The number of an id, which is `number` if it is new."""
        found = self._in_row(id_)
        if found is not None:
            return found
        if not self._others and self._continues(id_, number):
            self._size += 1
            return number
        return self._others.setdefault(id_, number)

    def find(self, value: object) -> int | None:
        """The number of what an entry has as an id; None if that is not an id here. As in a `dict`, 1.0 and true equal 1."""
        if not isinstance(value, int | float) or (isinstance(value, float) and not value.is_integer()):
            return None
        id_ = int(value)
        found = self._in_row(id_)
        return self._others.get(id_) if found is None else found

    def _in_row(self, id_: int) -> int | None:
        offset = (id_ - self._first_id) * self._step
        return self._first_number + offset if 0 <= offset < self._size else None

    def _continues(self, id_: int, number: int) -> bool:
        """Whether the id comes next in the row, or begins it."""
        if self._size == 0:
            self._first_id, self._first_number = id_, number
            return True
        if self._size == 1 and abs(id_ - self._first_id) == 1:
            self._step = id_ - self._first_id
        return (id_ - self._first_id) * self._step == self._size and number == self._first_number + self._size
