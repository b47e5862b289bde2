"""Fine-tunes the same encoder on the same batches with PyTorch: started by bench/transformer.ts, once a precision.

    peer.py DIR THREADS float32|bfloat16

DIR holds weights.bin (floats, one weight after the other), weights.json (their shapes, in the order in which the graph
uses them), batches.json. Prints one JSON line.
"""

import contextlib
import json
import sys
import time
from pathlib import Path

import numpy
import torch
from transformers import BertConfig, BertModel

folder, threads, precision = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(threads)
torch.manual_seed(1)
shapes = json.loads((folder / "weights.json").read_text())
batches = json.loads((folder / "batches.json").read_text())
floats = numpy.fromfile(folder / "weights.bin", dtype=numpy.float32)

config = BertConfig(
    vocab_size=shapes[0][0],
    hidden_size=shapes[0][1],
    num_hidden_layers=(len(shapes) - 5) // 16,
    num_attention_heads=batches["heads"],
    intermediate_size=shapes[5 + 10][1],
    max_position_embeddings=shapes[2][0],
    hidden_dropout_prob=0,
    attention_probs_dropout_prob=0,
)


class Classifier(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.bert = BertModel(config, add_pooling_layer=False)
        self.head = torch.nn.Linear(config.hidden_size, batches["classes"])

    def forward(self, ids, mask, types):
        hidden = self.bert(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state
        mask = mask.unsqueeze(2).to(hidden.dtype)
        return self.head((hidden * mask).sum(1) / mask.sum(1))


def in_order(bert):
    """The weights in the order in which the exported graph uses them; linear ones are stored transposed there."""
    e = bert.embeddings
    yield e.word_embeddings.weight, False
    yield e.token_type_embeddings.weight, False
    yield e.position_embeddings.weight, False
    yield from ((e.LayerNorm.weight, False), (e.LayerNorm.bias, False))
    for layer in bert.encoder.layer:
        a = layer.attention
        for linear in (a.self.query, a.self.key, a.self.value, a.output.dense):
            yield from ((linear.weight, True), (linear.bias, False))
        yield from ((a.output.LayerNorm.weight, False), (a.output.LayerNorm.bias, False))
        for linear in (layer.intermediate.dense, layer.output.dense):
            yield from ((linear.weight, True), (linear.bias, False))
        yield from ((layer.output.LayerNorm.weight, False), (layer.output.LayerNorm.bias, False))


model = Classifier()
at = 0
with torch.no_grad():
    for (parameter, transposed), shape in zip(in_order(model.bert), shapes, strict=True):
        size = int(numpy.prod(shape))
        value = torch.from_numpy(floats[at : at + size].reshape(shape).copy())
        parameter.copy_(value.T if transposed else value)
        at += size

model.train()
optimiser = torch.optim.AdamW(model.parameters(), lr=batches["learningRate"], weight_decay=0.01)
lower = precision == "bfloat16"
rows = 0
for step, batch in enumerate(batches["batches"]):
    if step == batches["warmup"]:
        start, cpu = time.perf_counter(), time.process_time()
        rows = 0
    ids, mask, types = (torch.tensor(batch[name]) for name in ("ids", "mask", "types"))
    with torch.autocast("cpu", dtype=torch.bfloat16) if lower else contextlib.nullcontext():
        loss = torch.nn.functional.cross_entropy(model(ids, mask, types).float(), torch.tensor(batch["labels"]))
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    rows += len(batch["labels"])
seconds, cpu_s = time.perf_counter() - start, time.process_time() - cpu
print(json.dumps({"seconds": seconds, "cpu_s": cpu_s, "rows": rows}))
