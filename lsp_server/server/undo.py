"""Whether the last edit took an earlier one back, as far as the edits themselves tell."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

N_EDITS = 100
MIN_CHARS = 2  # one character that goes away again is a key that slipped


@dataclass(frozen=True, slots=True)
class Edit:
    """At `start`, `removed` gave way to `inserted`."""

    start: int
    removed: str
    inserted: str

    def then(self, other: Edit) -> Edit | None:
        """The two as one, where the other goes on typing; editors take back what was typed in a row at once."""
        if other.removed or other.start != self.start + len(self.inserted) or "\n" in other.inserted:
            return None
        return Edit(self.start, self.removed, self.inserted + other.inserted)

    def without(self, other: Edit) -> Edit | None:
        """What is left of it once the other took it back, or its end; None where the other does something else."""
        if max(len(other.removed), len(other.inserted)) < MIN_CHARS:
            return None
        if (other.start, other.removed, other.inserted) == (self.start, self.inserted, self.removed):
            return Edit(self.start, self.removed, "")
        n_left = other.start - self.start
        if not other.inserted and n_left >= 0 and self.inserted[n_left:] == other.removed:
            return Edit(self.start, self.removed, self.inserted[:n_left])
        return None


class Undo:
    """The last edits of a document. `is_undone` while the last one took back what stood before it."""

    def __init__(self) -> None:
        self.is_undone = False
        self._edits: deque[Edit] = deque(maxlen=N_EDITS)

    def edited(self, start: int, removed: str, inserted: str) -> None:
        edit = Edit(start, removed, inserted)
        last = self._edits.pop() if self._edits else None
        left = last.without(edit) if last else None
        self.is_undone = left is not None
        if left is not None:
            self._edits.extend([left] if left.inserted else [])
        elif last and (both := last.then(edit)):
            self._edits.append(both)
        else:
            self._edits.extend([last, edit] if last else [edit])
