"""`python -m helpers.train` as one of several processes on CPU cores that Accelerate takes for GPUs: elsewhere it shards nothing.

    accelerate launch --config_file configs/fsdp.yaml tests/slow/fsdp_on_cpus.py --cpu …

With STOP_AFTER=7 in the environment, the training ends after step 7 without a word, as if it had been killed.
"""

import json
import os

import torch
from accelerate.state import PartialState
from accelerate.utils import DistributedType
from torch.distributed.fsdp import FSDPModule

from helpers.train import cli, loop

torch.set_num_threads(1)
torch.distributed.init_process_group("gloo")
PartialState._prepare_backend = lambda *_, **__: ("gloo", DistributedType.MULTI_GPU)
PartialState.set_device = lambda state: setattr(state, "device", torch.device("cpu"))

step, stop_after = loop.train_step, int(os.environ.get("STOP_AFTER", 0))


def stopping_step(run, batch):
    loss = step(run, batch)
    if run.step == stop_after:
        torch.distributed.destroy_process_group()
        raise SystemExit(0)
    return loss


loop.train_step = stopping_step
run = cli.main()
sharded = sorted(name for name, module in run.model.named_modules() if isinstance(module, FSDPModule))
here, whole = (sum(count(p) for p in run.model.parameters()) for count in (lambda p: p.to_local().numel(), torch.Tensor.numel))
run.accelerator.print(json.dumps({"sharded": sharded, "share": here / whole}))
torch.distributed.destroy_process_group()
