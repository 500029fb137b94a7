"""Which card a CUDA index means, without a CUDA context: that would stay in the process that asks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CARDS_FOLDER = Path("/proc/driver/nvidia/gpus")
ORDER_KEY = "CUDA_DEVICE_ORDER"
PCI_ORDER = "PCI_BUS_ID"
VISIBLE_KEY = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU as its driver knows it."""

    model: str
    uuid: str


def number_gpus_by_place() -> None:
    """Has CUDA number cards by their place on the bus, as all other tools do; for our children too.

    Its own way is the fastest first, and what that is nobody else can tell.
    """
    os.environ.setdefault(ORDER_KEY, PCI_ORDER)


def cards() -> list[Card]:
    """The cards of this machine by their place on the bus; from NVML where that is installed."""
    found = _cards_of_nvml()
    return _cards_of_driver(CARDS_FOLDER) if found is None else found


def card_of(gpu: int, among: Sequence[Card], environment: Mapping[str, str]) -> Card | None:
    """The card that CUDA calls by an index; None if that cannot be told.

    Cards come by their place on the bus; the environment says which are visible, by index or by the beginning of a UUID.
    """
    visible = environment.get(VISIBLE_KEY)
    names = [str(number) for number in range(len(among))]
    if visible is not None:
        names = [name.strip() for name in visible.split(",")]
    if not 0 <= gpu < len(names):
        return None
    name = names[gpu]
    if name.startswith("GPU-"):
        matching = [card for card in among if card.uuid.startswith(name)]
        return matching[0] if len(matching) == 1 else None
    is_index = name.isascii() and name.isdigit() and int(name) < len(among)
    is_by_place = environment.get(ORDER_KEY) == PCI_ORDER or len({one.model for one in among}) == 1
    return among[int(name)] if is_index and is_by_place else None


def _cards_of_nvml() -> list[Card] | None:
    try:
        import pynvml  # noqa: PLC0415 - an option

        pynvml.nvmlInit()
    except Exception:  # noqa: BLE001 - no library, no driver, or one that does not fit the other
        return None
    try:
        handles = [
            pynvml.nvmlDeviceGetHandleByIndex(number)
            for number in range(pynvml.nvmlDeviceGetCount())
        ]
        return [
            Card(str(pynvml.nvmlDeviceGetName(one)), str(pynvml.nvmlDeviceGetUUID(one)))
            for one in handles
        ]
    except pynvml.NVMLError:
        return None
    finally:
        pynvml.nvmlShutdown()


def _cards_of_driver(folder: Path) -> list[Card]:
    found: list[Card] = []
    try:
        for card in sorted(folder.iterdir()):  # named by their place
            lines = (
                (card / "information").read_text(encoding="utf-8", errors="replace").splitlines()
            )
            pairs = (line.partition(":") for line in lines)
            facts = {key.strip(): value.strip() for key, _, value in pairs}
            found.append(Card(facts.get("Model", ""), facts.get("GPU UUID", "")))
    except OSError:
        return []
    return found
