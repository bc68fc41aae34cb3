"""A shopping cart, half-written: the file that the README's first command continues."""

from dataclasses import dataclass, field


@dataclass
class Item:
    name: str
    price_cents: int
    quantity: int = 1


@dataclass
class Cart:
    items: list[Item] = field(default_factory=list)

    def add(self, item: Item) -> None:
        self.items.append(item)

    def quantity_of(self, name: str) -> int:
        for item in self.items:
            if item.name == name:
                return item.quantity
        return 0

    def total_cents(self) -> int:
        total = 0
        for item in self.items:
            
        return total

    def is_empty(self) -> bool:
        return 

    def find(self, name: str) -> Item | None:
        for item in self.items:
            if item.
        return None
