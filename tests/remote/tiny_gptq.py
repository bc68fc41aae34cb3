"""The tiny gpt_bigcode checkpoint in 4 bits, as StarCoder GPTQ is published: `python tiny_gptq.py FOLDER GPTQ_FOLDER`.

Runs where gptqmodel is. The first time takes minutes, since gptqmodel compiles a part of itself then.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

GROUP_SIZE = 32


def quantize(source: str, target: Path) -> None:
    from gptqmodel import GPTQModel, QuantizeConfig

    model = GPTQModel.load(source, QuantizeConfig(bits=4, group_size=GROUP_SIZE, desc_act=False, sym=True))
    text = Path(json.__file__).read_text("utf-8") + Path(os.__file__).read_text("utf-8")
    model.quantize([text[start : start + 1500] for start in range(0, 36_000, 1500)], batch_size=1)
    model.save(str(target))


def choose_plain_kernel(target: Path) -> None:
    """The one in plain torch; the faster ones for CPUs are compiled at the first request, for minutes."""
    path = target / "config.json"
    config = json.loads(path.read_text("utf-8"))
    config["quantization_config"]["backend"] = "gptq_torch"
    path.write_text(json.dumps(config), "utf-8")


if __name__ == "__main__":
    quantize(sys.argv[1], Path(sys.argv[2]))
    choose_plain_kernel(Path(sys.argv[2]))
