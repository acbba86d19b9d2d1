"""What the guide is asked about: a base model and the settings of the sliders, as an address can say them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal
from urllib.parse import quote

from app.language import mark
from app.schemas import CostsRequest, LayerSizes

SIZES, CONFIG = "sizes", "config"
"""The choices of base model that are neither a published nor a registered one."""
PUBLISHED = "published:"
LONGEST_CONFIG = 4_000


@dataclass(frozen=True)
class Slider:
    """One setting. power: the slider counts powers of two."""

    name: str
    title: str
    low: int
    high: int
    step: int = 1
    power: bool = False

    def place(self, value: int) -> int:
        """Where the slider stands for a value."""
        return value.bit_length() - 1 if self.power else value

    def taken(self, value: int) -> int | None:
        """The value where the slider can have it, else the one below; None outside its range."""
        if not self.smallest <= value <= self.largest:
            return None
        return 2 ** self.place(value) if self.power else self.low + (value - self.low) // self.step * self.step

    @property
    def smallest(self) -> int:
        return 2**self.low if self.power else self.low

    @property
    def largest(self) -> int:
        return 2**self.high if self.power else self.high


SLIDERS = (
    Slider("width", mark("Width d"), 64, 12_288, step=64),
    Slider("layers", mark("Layers L"), 1, 96),
    Slider("rank", mark("LoRA rank r"), 0, 8, power=True),
    Slider("bottleneck", mark("Adapter bottleneck b"), 2, 10, power=True),
    Slider("prefix", mark("Prefix length n"), 1, 200),
    Slider("batch", mark("Batch size"), 0, 7, power=True),
    Slider("length", mark("Sequence length s"), 4, 13, power=True),
    Slider("tasks", mark("Tasks served"), 1, 200),
)


@dataclass(frozen=True)
class Settings:
    """model: "sizes", "config", "published:KEY" or the name of a base model. price: of an hour of a device."""

    model: str = f"{PUBLISHED}bert_base"
    config: str = ""
    width: int = 768
    layers: int = 12
    rank: int = 8
    bottleneck: int = 64
    prefix: int = 20
    batch: int = 8
    length: int = 128
    tasks: int = 10
    device: Literal["cpu", "cuda"] = "cuda"
    price: float | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "Settings":
        """What an address says; what cannot be read, or no slider has, is as it stands by itself."""
        found: dict[str, Any] = {
            slider.name: value
            for slider in SLIDERS
            if (text := query.get(slider.name, "")).isascii()
            and text.isdigit()
            and len(text) < 8
            and (value := slider.taken(int(text))) is not None
        }
        found |= {"model": query["model"][:300]} if query.get("model") else {}
        found |= {"config": query["config"][:LONGEST_CONFIG]} if query.get("config") else {}
        found |= {"device": query["device"]} if query.get("device") in ("cpu", "cuda") else {}
        return cls(**found)

    @classmethod
    def from_store(cls, data: Mapping[str, Any]) -> "Settings":
        """What the browser keeps of them."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})

    def data(self) -> dict[str, Any]:
        return asdict(self)

    def query(self) -> str:
        """The settings that are not as they stand by themselves; a price is nobody else's."""
        usual = Settings()
        said = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "price"}
        changed = {name: value for name, value in said.items() if value != getattr(usual, name)}
        if self.model != CONFIG:
            changed.pop("config", None)
        if self.model != SIZES:
            changed = {name: value for name, value in changed.items() if name not in ("width", "layers")}
        return "&".join(f"{name}={quote(str(value), safe=':')}" for name, value in changed.items())

    def request(self) -> CostsRequest:
        """Raises ValueError where the configuration is no JSON object."""
        return CostsRequest(
            **self._base(),
            rank=self.rank,
            bottleneck_size=self.bottleneck,
            prefix_length=self.prefix,
            batch_size=self.batch,
            length=self.length,
            tasks=self.tasks,
            device=self.device,
        )

    def _base(self) -> dict[str, Any]:
        if self.model == SIZES:
            return {"sizes": LayerSizes(width=self.width, layers=self.layers)}
        if self.model == CONFIG:
            read = json.loads(self.config)
            if not isinstance(read, dict):
                raise ValueError("not an object")
            return {"model_config": read}
        if self.model.startswith(PUBLISHED):
            return {"published": self.model.removeprefix(PUBLISHED)}
        return {"base_model": self.model}
