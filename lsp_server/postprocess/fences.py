"""Code in a Markdown fence, as chat models hand it over."""

from __future__ import annotations

import re
from dataclasses import replace

from lsp_server.postprocess.draft import Draft

_OPENING = re.compile(r"\s*```[\w+#.-]*[ \t]*(\n|$)")
_CLOSING = re.compile(r"\n[ \t]*```\s*$")


def without_fence(draft: Draft) -> Draft:
    """What stands inside of a fence that the text begins with, unless the document has fences, too."""
    window, opening = draft.context.window, _OPENING.match(draft.text)
    if opening is None or "```" in window.prefix or "```" in window.suffix:
        return draft
    inside = _CLOSING.sub("", draft.text[opening.end() :])
    return replace(draft, text=inside.lstrip() if draft.context.line_prefix.strip() else inside)
