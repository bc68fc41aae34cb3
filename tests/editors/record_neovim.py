"""Make the README's picture from a real run: python tests/editors/record_neovim.py [OUT.svg]"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from nvim import CLIENT, Neovim, setups
from surroundings import own_environment
from svg import picture

SAMPLE = Path(__file__).parents[1] / "samples" / "cart.py"
KEYS = r"/if item\.$<CR>:nohlsearch<CR>zb<C-e>A"
TITLE = "Neovim: a half-written function, and the rest of the line in grey"


def main(target: Path) -> int:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(shutil.copy(SAMPLE, folder))
        env = own_environment(Path(folder))
        editor = Neovim(setups()[0], Path(file.name), env=env, folder=file.parent, width=72, height=20)
        editor.until_ready()
        editor.type(KEYS)
        editor.until("a suggestion", editor.ghost)
        target.write_text(picture(editor.screen(), TITLE), "utf-8")
        editor.close()
    print(f"{target}: {target.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else CLIENT / "screenshot.svg"))
