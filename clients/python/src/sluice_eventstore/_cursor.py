"""Where a loop is in the order of the whole store."""

import re

_FORM = re.compile(r"(\d{1,20})(?:\+(\d{1,20}))?(?:@([\x21-\x7e]+))?")


class Cursor:
    """
    Moves on with each event, also within a commit. As text it is `position[+count][@store_id]`, the same in all clients; it
    belongs to the filters and the direction of the loop, and to the store.
    """

    def __init__(self, after: int | str | None) -> None:
        """A position means after the whole commit, in any store."""
        self.position: int | None = None
        self.count: int | None = None
        self.store_id = ""
        if isinstance(after, str):
            found = _FORM.fullmatch(after)
            if found is None:
                raise ValueError(f"after is not a cursor: {after!r}")
            self.position, self.store_id = int(found[1]), found[3] or ""
            self.count = None if found[2] is None else int(found[2])
        else:
            self.position = after

    def __str__(self) -> str:
        within = "" if self.count is None else f"+{self.count}"
        return f"{self.position}{within}" + (f"@{self.store_id}" if self.store_id else "")

    @property
    def text(self) -> str | None:
        """None: there is no position yet."""
        return None if self.position is None else str(self)

    def on_event(self, position: int) -> None:
        self.count = (self.count or 0) + 1 if position == self.position else 1
        self.position = position

    def on_position(self, position: int) -> None:
        """The loop has all events up to a position."""
        self.position, self.count = position, None
