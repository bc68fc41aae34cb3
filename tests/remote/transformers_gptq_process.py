"""`transformers serve` for a GPTQ checkpoint of the gpt_bigcode architecture: `python ... serve FOLDER --port N ...`.

transformers 5.23 sets weights that a checkpoint lacks to random numbers, and takes the packed ones of GPTQ for such;
the real ones are loaded all the same, so that step is left out.
"""

from __future__ import annotations

import sys

from transformers.models.gpt_bigcode.modeling_gpt_bigcode import GPTBigCodePreTrainedModel

if __name__ == "__main__":
    GPTBigCodePreTrainedModel._init_weights = lambda self, module: None
    from transformers.cli.transformers import main

    sys.argv[0] = "transformers"
    main()
